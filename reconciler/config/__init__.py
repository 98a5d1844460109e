"""The config: one TOML file, checked whole before anything acts, made into frozen values.

Nothing outside this folder reads the file, or looks where a secret is kept. Commands that act get a ``Config``
(``load``); commands that only look get a ``Glance``, which is made without the checks that acting needs.
"""
