"""The config: one TOML file, checked whole before anything acts, made into frozen values.

Nothing outside this folder reads the file or a secret's place: who acts is handed a ``Config`` (``load``), who only
looks a ``Glance``, which is made without the checks that acting needs.
"""
