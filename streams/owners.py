"""Say in Redis which worker owns a partition, and ask that worker about a customer.

Responsible for the keys ``rw:owners:<partition>``, which expire unless they are renewed, and for
the question. Must not stop a worker, whatever Redis does, and must not explain anything.
"""

from __future__ import annotations

import asyncio
import http.client
import socket
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import msgspec
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry as PatientRetry

from schemas import explanations
from schemas.errors import NotExplained, RewakeError
from schemas.lookups import Problem
from schemas.profiles import EPOCH_KEY, OWNERS_KEY, read_epoch
from streams.explaining import BEFORE, BEHIND
from streams.serving.tokens import Scope, with_scope
from streams.setting_values import Address, parse_address
from streams.settings import shown
from streams.sinks.trouble import Trouble, advice

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from schemas.explanations import Explanation
    from streams.settings import Settings

RENEWED_S: Final = 5.0
EXPIRES_MS: Final = 15_000
ANSWER_S: Final = 5.0
_WITHOUT: Final = "`rewake lookup` without --explain answers from the cache all the same"


def owner_key(partition: int) -> str:
    """Name the key under which a partition's owner is found.

    Examples
    --------
    >>> owner_key(3)
    'rw:owners:3'
    """
    return f"{OWNERS_KEY}:{partition}"


def reachable(host: str, port: int) -> Address:
    """Return where others reach a server that listens on ``host``.

    Examples
    --------
    >>> str(reachable("127.0.0.1", 9100))
    '127.0.0.1:9100'
    """
    return Address(socket.gethostname() if host in ("0.0.0.0", "::", "") else host, port)


class Owners:
    """Keeps this worker's address under the partitions it owns.

    Parameters
    ----------
    url
        Where Redis is.
    app
        REWAKE_APP: a cache that another app fills is left alone.
    address
        Where this worker answers.
    owned
        Numbers of the partitions owned at present.
    """

    def __init__(
        self, url: str, app: str, address: Address, owned: Callable[[], Collection[int]]
    ) -> None:
        self._redis = AsyncRedis.from_url(
            url,
            socket_timeout=ANSWER_S,
            socket_connect_timeout=ANSWER_S,
            decode_responses=True,
            retry=Retry(NoBackoff(), 0),
        )
        self._app = app
        self._address = address
        self._owned = owned
        self._trouble = Trouble("owners cannot be told")
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to tell."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Tell no more: what was told expires."""
        if self._task is not None:
            self._task.cancel()
        await self._redis.aclose()

    async def _run(self) -> None:
        while True:
            try:
                await self.renew()
            except Exception as error:  # noqa: BLE001 - whatever it is: say so, try again
                self._trouble.note(error)
            else:
                self._trouble.over()
            await asyncio.sleep(RENEWED_S)

    async def renew(self) -> None:
        """Tell once."""
        epoch = await self._redis.get(EPOCH_KEY)
        if epoch is None or read_epoch(str(epoch)).filler.app != self._app:
            return
        pipeline = self._redis.pipeline(transaction=False)
        for partition in self._owned():
            pipeline.set(owner_key(partition), str(self._address), px=EXPIRES_MS)
        await pipeline.execute()


def ask(settings: Settings, customer_id: str, partition: int) -> Explanation:
    """Ask the worker that owns a partition to explain a customer.

    Parameters
    ----------
    settings
        Where the cache is, which names the owner.
    customer_id
        The customer.
    partition
        The customer's partition.

    Raises
    ------
    NotExplained
        When the owner answers that it cannot, or will not.
    RewakeError
        When no worker owns the partition, or its owner does not answer.
    """
    address = _owner(settings, partition)
    connection = http.client.HTTPConnection(address.host, address.port, timeout=ANSWER_S)
    try:
        path = f"{BEFORE}{quote(customer_id, safe='')}{BEHIND}"
        connection.request("GET", path, headers=_authorization(settings))
        response = connection.getresponse()
        said = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise RewakeError(
            f"expected the worker at {address}, which owns partition {partition}, to answer, got "
            f"{error!r}; can its REWAKE_METRICS address be reached from here? {_WITHOUT}"
        ) from error
    finally:
        connection.close()
    try:
        if response.status == HTTPStatus.OK:
            return explanations.decode(said)
        detail = msgspec.json.decode(said, type=Problem).detail
    except msgspec.MsgspecError as error:
        raise RewakeError(
            f"expected an explanation from the worker at {address}, got status "
            f"{response.status} and {said[:80]!r}; is it a worker of this version? {_WITHOUT}"
        ) from error
    raise NotExplained(
        f"the worker at {address} cannot explain: {detail}. {_WITHOUT}", response.status, detail
    )


def _authorization(settings: Settings) -> dict[str, str]:
    """Return the header for asking a worker: the first token with the scope, where there is one."""
    token = with_scope(settings.web_tokens.get_secret_value(), Scope.EXPLAIN)
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def _owner(settings: Settings, partition: int) -> Address:
    try:
        with Redis.from_url(
            settings.redis,
            decode_responses=True,
            socket_connect_timeout=ANSWER_S,
            socket_timeout=ANSWER_S,
            retry=PatientRetry(NoBackoff(), 0),
        ) as redis:
            found = redis.get(owner_key(partition))
    except RedisError as error:
        url = shown(settings)["REWAKE_REDIS"]
        message = f"expected Redis at {url} to answer, got {error}; {advice(error)}"
        raise RewakeError(message) from error
    if found is None:
        raise RewakeError(
            f"expected a worker that owns partition {partition}, none has said so within "
            f"{EXPIRES_MS // 1000} s; only a running worker can explain: start one, or wait until "
            f"the partition is taken. {_WITHOUT}"
        )
    return parse_address(found)
