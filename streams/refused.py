"""Say why Kafka lets nobody in, or does not let do what was asked, and what to do about it.

Responsible for words. Must not decide whether to try again.
"""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from kafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    KafkaTimeoutError,
    TopicAuthorizationFailedError,
)

from schemas.errors import RewakeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from kafka import KafkaAdminClient

RIGHTS: Final = "docs/security.md lists the least rights that are enough"

_ADVICE: Final = (
    ("mismatch", "use a name or address in REWAKE_KAFKA which the broker's certificate is for"),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "name the authority of the broker's certificate in REWAKE_KAFKA_SSL_CAFILE",
    ),
    (
        "SaslAuthenticationFailed",
        "are REWAKE_KAFKA_SASL_USERNAME, …_PASSWORD and …_MECHANISM right?",
    ),
    ("SaslMechanism", "set REWAKE_KAFKA_SASL_MECHANISM to one the broker has enabled"),
    (
        "(?i)alert|certificate required|bad certificate",
        "show a client's certificate the broker trusts: REWAKE_KAFKA_SSL_CERTFILE, …_KEYFILE",
    ),
)
_OTHERWISE: Final = (
    "is it up (`rewake local up`), and are REWAKE_KAFKA, REWAKE_KAFKA_SECURITY_PROTOCOL and, for a "
    "login by name, REWAKE_KAFKA_SASL_… right?"
)

_DENIED: Final = TopicAuthorizationFailedError.errno


class Heard(logging.Handler):
    """Remembers the most telling reason the client gave for a connection that failed.

    The client tries again until its time is up and raises that it was up; why stands in its log.
    Of a login that is refused it often hears no more than that the broker has hung up.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.reason: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Remember an exception that is told of."""
        for argument in record.args if isinstance(record.args, tuple) else ():
            if isinstance(argument, Exception) and not isinstance(argument, KafkaTimeoutError):
                telling = _hung_up(self.reason) or not _hung_up(argument)
                self.reason = argument if telling else self.reason


def _hung_up(reason: BaseException | None) -> bool:
    return reason is None or "disconnected" in str(reason)


@contextmanager
def listening() -> Iterator[Heard]:
    """Hear what kafka-python says of its connections meanwhile."""
    heard, logger = Heard(), logging.getLogger("kafka.net.manager")
    logger.addHandler(heard)
    try:
        yield heard
    finally:
        logger.removeHandler(heard)


def advice(reason: object) -> str:
    """Say what to do about a connection that failed.

    Examples
    --------
    >>> advice("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed certificate in certificate chain")
    "name the authority of the broker's certificate in REWAKE_KAFKA_SSL_CAFILE"
    """
    said = f"{type(reason).__name__} {reason}"
    return next((what for pattern, what in _ADVICE if re.search(pattern, said)), _OTHERWISE)


def refuse_denied(described: Iterable[Mapping[str, object]]) -> None:
    """Refuse topics which the user may not see.

    Raises
    ------
    RewakeError
        When there are some.
    """
    denied = [str(each["name"]) for each in described if each["error_code"] == _DENIED]
    if denied:
        raise RewakeError(
            f"expected to be allowed to look at {', '.join(denied)}, Kafka denies it to this user: "
            f"the rights are missing, or there is no such topic. {RIGHTS}"
        )


def refuse_denied_group(admin: KafkaAdminClient, group: str) -> None:
    """Refuse a group which the user may not join: the consumer would wait for ever without a word.

    Raises
    ------
    RewakeError
        When it is so.
    """
    try:
        admin.describe_groups([group])
    except GroupAuthorizationFailedError as error:
        raise RewakeError(
            f"expected to be allowed to join the group {group} (REWAKE_APP), Kafka denies it to "
            f"this user. {RIGHTS}"
        ) from error
    except KafkaError:
        return  # no coordinator as yet: the consumer waits for one
