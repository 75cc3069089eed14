"""Hold the settings of the operator: what they are, where they come from, how they are shown.

Responsible for REWAKE_ variables, `.env` and secrets in files. Must not hold anything that decides
a customer's segment: that is the rules file, which belongs to somebody else.
"""

from __future__ import annotations

import difflib
import os
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic import ValidationError as PydanticError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from schemas.errors import SettingsError
from streams.masking import MASK, is_secret, mask_url
from streams.setting_values import (
    Address,
    Bootstrap,
    CacheUrl,
    HostPort,
    Name,
    Span,
    TokenList,
    TopicPrefix,
    Until,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "REWAKE_"
SECRETS_DIR: Final = "REWAKE_SECRETS_DIR"
BESIDE: Final = (SECRETS_DIR, "REWAKE_CACHE_DIR")
"""Variables that are read but are no settings; of the second `segmenters.kernel` knows."""

_FILE: Final = "_FILE"


class Settings(BaseSettings):
    """What the operator has decided; `load_settings` makes it.

    Every attribute is the variable of that name in capitals behind ``REWAKE_``, e.g. `grace` is
    REWAKE_GRACE. Spans are milliseconds here and are written with their unit there.

    Attributes
    ----------
    kafka
        Bootstrap servers, ``host:port`` separated by commas.
    kafka_security_protocol
        Whether to speak TLS to Kafka (``…SSL``), and whether to log in by name (``SASL…``).
    kafka_sasl_mechanism
        How to log in by name.
    kafka_sasl_username
        Name to log in with.
    kafka_sasl_password
        Its password.
    kafka_ssl_cafile
        PEM file of the authorities that are trusted; absent: the machine's own.
    kafka_ssl_certfile
        PEM file of this client's certificate; absent: none is shown.
    kafka_ssl_keyfile
        PEM file of the certificate's key; absent: it stands in the certificate's file.
    kafka_ssl_key_password
        Password of the key, where that is encrypted.
    redis
        URL of the cache, ``rediss://user:password@host:port/0?ssl_ca_certs=FILE`` with login and
        TLS; empty: no cache.
    app
        Consumer group, prefix of the changelog and of the transactional ids.
    topic_prefix
        Put in front of every topic's name but the changelog's, which begins with REWAKE_APP.
    instance
        Name of this worker for static membership; empty: none.
    rules
        Path of the rules file; absent: the default pack.
    clock
        Whether time passes now, or with the events of a history that is replayed through Kafka.
    until
        The instant at which that history ends, RFC 3339 or epoch ms; with ``event`` only.
    grace
        What producers and the network may take until a fact is in the log.
    max_future
        How far a fact may be ahead of the wall clock before it is a dead letter.
    tick_interval
        How often due deadlines are settled.
    tick_limit
        How many customers' at a time; input goes before the rest.
    batch_events
        Most events of one partition that are applied, and committed, together.
    transaction_timeout
        After this long the broker aborts a transaction left open.
    session_timeout
        After this long without a heartbeat the group gives the partitions to others.
    stall_timeout
        After this long without progress although there is input, the worker stops loudly.
    shutdown_timeout
        A worker that is told to stop has gone after this long, whatever the broker does.
    partitions
        How many partitions `rewake topics create` gives inputs, changes and changelog.
    replication
        How many replicas `rewake topics create` asks for.
    web
        Where `rewake serve` listens.
    metrics
        Where a worker serves health, metrics and explanations; port 0 takes a free one.
    web_tokens
        Who may ask `rewake serve` and the worker what: ``token:scope+scope``, one a line or
        separated by commas; scopes are read, explain, erase. Empty: anybody on this machine.
    web_rate
        Requests a second that `rewake serve` answers each token, or each address; 0: any number.
    webhook_url
        Where `rewake webhook` posts changes, https or http; shown nowhere, for it may hold a token.
    webhook_secret
        What `rewake webhook` signs with: 24 bytes or more; while it is exchanged two, with a space.
    log_level
        How much is logged.
    log_format
        Whether for people or, one JSON object a line, for machines.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    kafka: Bootstrap = "127.0.0.1:9092"
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_sasl_username: str = ""
    kafka_sasl_password: SecretStr = SecretStr("")
    kafka_ssl_cafile: Path | None = None
    kafka_ssl_certfile: Path | None = None
    kafka_ssl_keyfile: Path | None = None
    kafka_ssl_key_password: SecretStr = SecretStr("")
    redis: CacheUrl = "redis://127.0.0.1:6379/0"
    app: Name = "rewake"
    topic_prefix: TopicPrefix = ""
    instance: Name | Literal[""] = ""
    rules: Path | None = None
    clock: Literal["live", "event"] = "live"
    until: Until | None = None
    grace: Span = 2_000
    max_future: Span = 300_000
    tick_interval: Span = Field(500, ge=10)
    tick_limit: int = Field(500, ge=1)
    batch_events: int = Field(10_000, ge=1, le=1_000_000)
    transaction_timeout: Span = Field(60_000, ge=1_000)
    session_timeout: Span = Field(6_000, ge=6_000)
    stall_timeout: Span = Field(120_000, ge=1_000)
    shutdown_timeout: Span = Field(25_000, ge=1_000, le=30_000)
    partitions: int = Field(4, ge=1)
    replication: int = Field(1, ge=1)
    web: HostPort = Address("127.0.0.1", 8080)
    metrics: HostPort = Address("127.0.0.1", 9100)
    web_tokens: TokenList = SecretStr("")
    web_rate: int = Field(5_000, ge=0)
    webhook_url: SecretStr = SecretStr("")
    webhook_secret: SecretStr = SecretStr("")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.clock == "event" and self.until is None:
            message = "REWAKE_CLOCK=event needs REWAKE_UNTIL: the instant at which the history ends"
            raise ValueError(message)
        if self.clock == "live" and self.until is not None:
            message = "REWAKE_UNTIL means something only with REWAKE_CLOCK=event; unset one"
            raise ValueError(message)
        if self.kafka_security_protocol.startswith("SASL") and not (
            self.kafka_sasl_username and self.kafka_sasl_password.get_secret_value()
        ):
            message = (
                f"REWAKE_KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol} needs "
                "REWAKE_KAFKA_SASL_USERNAME and REWAKE_KAFKA_SASL_PASSWORD"
            )
            raise ValueError(message)
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let a file named by ``REWAKE_…_FILE`` stand behind the variable itself."""
        named_files = _NamedFiles(settings_cls)
        return init_settings, env_settings, named_files, dotenv_settings, file_secret_settings

    def topic(self, name: str) -> str:
        """Return what a topic of the catalogue is called on this cluster.

        Examples
        --------
        >>> from schemas.topics import CHANGES
        >>> load_settings(env_file=None, topic_prefix="eight.").topic(CHANGES)
        'eight.segmentation.changes.v1'
        """
        return self.topic_prefix + name

    def kafka_security(self) -> dict[str, Any]:
        """Give the login arguments, named as both aiokafka and kafka-python take them.

        Raises
        ------
        SettingsError
            When a certificate cannot be read.
        """
        arguments: dict[str, Any] = {"security_protocol": self.kafka_security_protocol}
        if self.kafka_security_protocol.startswith("SASL"):
            arguments["sasl_mechanism"] = self.kafka_sasl_mechanism
            arguments["sasl_plain_username"] = self.kafka_sasl_username
            arguments["sasl_plain_password"] = self.kafka_sasl_password.get_secret_value()
        if self.kafka_security_protocol.endswith("SSL"):
            arguments["ssl_context"] = self._ssl_context()
        return arguments

    def _ssl_context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.kafka_ssl_cafile)
            if self.kafka_ssl_certfile is not None:
                # Never None: a key that is encrypted would be asked for at the terminal.
                password = self.kafka_ssl_key_password.get_secret_value()
                context.load_cert_chain(self.kafka_ssl_certfile, self.kafka_ssl_keyfile, password)
        except OSError as error:
            message = (
                f"REWAKE_KAFKA_SSL_…: expected files in PEM format that can be read, got {error}; "
                "is there a key that is encrypted, and REWAKE_KAFKA_SSL_KEY_PASSWORD right?"
            )
            raise SettingsError(message) from error
        return context


class _NamedFiles(PydanticBaseSettingsSource):
    """Read a setting from the file which its variable with ``_FILE`` behind it names."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Read one setting's file; None without one."""
        del field
        name = _variable(field_name) + _FILE
        path = os.environ.get(name)
        if path is None:
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").strip(), field_name, False
        except OSError as error:
            message = f"{name}: expected a file that can be read, got {error}"
            raise SettingsError(message) from error

    def __call__(self) -> dict[str, Any]:
        fields = self.settings_cls.model_fields.items()
        found = {name: self.get_field_value(field, name)[0] for name, field in fields}
        return {name: value for name, value in found.items() if value is not None}


def load_settings(env_file: Path | None = Path(".env"), **overrides: Any) -> Settings:
    """Read the settings in force.

    A variable of the environment goes before a file named by ``REWAKE_…_FILE``, that before
    `env_file`, that before a file of the variable's name in lower case below REWAKE_SECRETS_DIR.

    Parameters
    ----------
    env_file
        File with further variables; it may be missing.
    **overrides
        Values that go before all others, by attribute name.

    Raises
    ------
    SettingsError
        When a value cannot be used; names every such variable, shows no secret.

    Examples
    --------
    >>> load_settings(env_file=None, grace="5s").grace
    5000
    """
    folder = os.environ.get(SECRETS_DIR)
    if folder is not None and not Path(folder).is_dir():
        message = f"{SECRETS_DIR}: expected a folder, got {folder!r}"
        raise SettingsError(message)
    try:
        return Settings(**{"_env_file": env_file, "_secrets_dir": folder, **overrides})
    except PydanticError as error:
        raise SettingsError("\n".join(map(_explain, error.errors()))) from error


def shown(settings: Settings) -> dict[str, str]:
    """Write every setting under its variable's name, secrets masked.

    Examples
    --------
    >>> shown(load_settings(env_file=None, redis="redis://:sesame@cache:6379/0"))["REWAKE_REDIS"]
    'redis://:********@cache:6379/0'
    """
    values = settings.model_dump()
    return {_variable(name): _show(value) for name, value in values.items()}


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """List REWAKE_ variables that nothing reads, each with what was probably meant.

    They are no error: orchestrators put variables of their own beside ours.
    """
    known = {_variable(name) for name in Settings.model_fields} | {*BESIDE}
    found = []
    for name in sorted(environ):
        if name.startswith(PREFIX) and not {name, name.removesuffix(_FILE)} & known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
            found.append(f"{name} (did you mean {near[0]}?)" if near else name)
    return found


def _variable(field_name: str) -> str:
    return PREFIX + field_name.upper()


def _show(value: object) -> str:
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else ""
    return mask_url(str(value)) if value is not None else ""


def _explain(problem: Any) -> str:
    """Say of one of pydantic's complaints which variable it is and what it may be."""
    said = str(problem["msg"])
    message = said.removeprefix("Value error, ")
    if not problem["loc"]:
        return message
    field = str(problem["loc"][0])
    name = _variable(field)
    # A URL may carry a password: what came is shown of nothing that may be secret.
    came = "" if is_secret(Settings.model_fields[field]) else f", got {str(problem['input'])!r}"
    return f"{name}: {'expected ' if message != said else ''}{message}{came}"
