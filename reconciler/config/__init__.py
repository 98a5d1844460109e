"""The config: one TOML file, checked whole before anything acts, made into frozen values.

Nothing outside this folder reads the file or a secret's place; everything else is handed a ``Config``.
"""

from reconciler.config.load import find_config, load_config, parse_config
from reconciler.config.model import (
    Auth,
    Config,
    CoralogixConfig,
    PartialView,
    ScheduleConfig,
    ServiceNowConfig,
    StateConfig,
)
from reconciler.config.schema import config_schema
from reconciler.config.secrets import Secret
from reconciler.config.template import config_template

__all__ = [
    "Auth",
    "Config",
    "CoralogixConfig",
    "PartialView",
    "ScheduleConfig",
    "Secret",
    "ServiceNowConfig",
    "StateConfig",
    "config_schema",
    "config_template",
    "find_config",
    "load_config",
    "parse_config",
]
