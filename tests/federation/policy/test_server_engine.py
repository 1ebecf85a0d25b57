import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from federation.canonical import JsonObject, to_canonical
from federation.errors import ErrorCode, WardgateError
from federation.policy import server_engine
from federation.policy.bundle import OPA_BUNDLE, VerifiedBundle
from federation.policy.engine import UNDEFINED, EntryPoint, Failure, RawDecision
from federation.policy.evaluator import PolicyPoint
from federation.policy.opa_client import MAX_ANSWER_BYTES, SESSION_TIMEOUT_S
from federation.policy.server_engine import OpaServer, ServerEngine
from keys.certificates import CertificateAuthority
from keys.secret import Secret
from keys.signing import SigningKey
from tests.support.opa import client_tls, opa_command, run_opa, running_opa
from tests.support.pki import CAMDEN, GATEWAY, Pki
from tests.support.policy import FIXTURE, LABEL, NOW, fixture_bundle, fixture_files, requester_input

ASK = EntryPoint.REQUESTER
GIVEN = to_canonical(requester_input())
GOLDEN = {item["entry_point"]: item["result"] for item in json.loads(fixture_files()["golden.json"])}


@asynccontextmanager
async def engine_of(server: OpaServer, bundle: VerifiedBundle | None = None) -> AsyncIterator[ServerEngine]:
    engine = ServerEngine(server)
    try:
        if bundle is not None:
            await engine.activate(bundle)
        yield engine
    finally:
        await engine.aclose()


async def ask(engine: ServerEngine, trick: str = "", deadline_s: float = 10.0) -> RawDecision:
    return await engine.decide(ASK, to_canonical(requester_input(trick)), deadline_s=deadline_s)


class StandIn:
    """An HTTP server in the place of OPA, which answers as a test tells it to."""

    def __init__(self) -> None:
        self.port = 0
        self.asked = 0
        self.headers: dict[str, str] = {}
        self.path = ""
        self.stop: Callable[[], Awaitable[None]]
        self.answer: Callable[[web.Request], Awaitable[web.StreamResponse]] = self.well

    async def well(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self.document(GOLDEN[request.path.removeprefix("/v1/data/")]))

    @staticmethod
    def document(result: object, **changes: object) -> JsonObject:
        provenance = {"version": "1.20.2", "bundles": {"wardgate": {"revision": LABEL}}}
        return {"result": result, "provenance": provenance, **changes}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/health":
            return web.Response()
        self.asked += 1
        self.headers = dict(request.headers)
        self.path = request.path_qs
        return await self.answer(request)

    def say(self, content: bytes, status: int = 200) -> None:
        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(body=content, status=status, content_type="application/json")

        self.answer = answer


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    server = StandIn()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert runner.addresses
    server.port, server.stop = runner.addresses[0][1], runner.cleanup
    yield server
    await runner.cleanup()


@pytest.fixture
async def engine(stand_in: StandIn, bundle: VerifiedBundle) -> AsyncIterator[ServerEngine]:
    async with engine_of(OpaServer(port=stand_in.port), bundle) as engine:
        stand_in.asked = 0
        yield engine


async def test_a_decision_asks_strictly_with_provenance_for_exactly_the_input(
    engine: ServerEngine, stand_in: StandIn
) -> None:
    raw = await ask(engine)
    assert raw.value == GOLDEN[ASK]
    assert stand_in.path == f"/v1/data/{ASK.value}?provenance=true&strict-builtin-errors=true"
    assert stand_in.headers["Accept-Encoding"] == "identity"
    assert raw.engine.strict
    assert raw.engine.version.startswith("opa 1.20.2, opa-python-client 3.")


async def test_the_input_travels_as_the_bytes_that_were_hashed(engine: ServerEngine, stand_in: StandIn) -> None:
    received = b""

    async def keep(request: web.Request) -> web.StreamResponse:
        nonlocal received
        received = await request.read()
        return await stand_in.well(request)

    stand_in.answer = keep
    await engine.decide(ASK, GIVEN, deadline_s=5)
    assert received == b'{"input":' + GIVEN + b"}"


async def test_an_error_of_the_server_is_asked_once_and_named_without_its_text(
    engine: ServerEngine, stand_in: StandIn
) -> None:
    stand_in.say(json.dumps({"code": "internal_error", "message": "9434765919"}).encode(), status=500)
    raw = await ask(engine)
    assert (raw.failure, raw.detail) == (Failure.UNAVAILABLE, "status 500 internal_error")
    assert stand_in.asked == 1


@pytest.mark.parametrize(
    ("content", "status", "detail"),
    [
        (b"", 500, "status 500 without a code"),
        (b'{"code": 7}', 400, "status 400 with an odd code"),
        (b'{"code": "9434765919 is"}', 400, "status 400 with an odd code"),
        (b"{}", 401, "status 401 without a code"),
        (b"[]", 404, "status 404 without a code"),
        (b"{}", 304, "status 304 without a code"),
        (b"", 200, "not an answer of the Data API"),
        (b"not json", 200, "not an answer of the Data API"),
        (b"[]", 200, "not an answer of the Data API"),
        (b'{"result": {"effect": "permit"}}', 200, "not an answer of the Data API"),
        (b'{"result": {}, "provenance": {}}', 200, "not an answer of the Data API"),
        (b'{"result": {}, "provenance": {"version": "1", "bundles": []}}', 200, "not an answer of the Data API"),
        (
            b'{"result": {}, "provenance": {"version": "1", "bundles": {"wardgate": 1}}}',
            200,
            "not an answer of the Data API",
        ),
        (b"[" * 100_000, 200, "not an answer of the Data API"),
        (b" " * (MAX_ANSWER_BYTES + 1), 200, f"answer over {MAX_ANSWER_BYTES} bytes"),
    ],
)
async def test_anything_but_an_answer_is_a_failure(
    engine: ServerEngine, stand_in: StandIn, content: bytes, status: int, detail: str
) -> None:
    stand_in.say(content, status)
    raw = await ask(engine)
    assert (raw.failure, raw.detail) == (Failure.UNAVAILABLE, detail)


async def test_an_answer_without_a_result_is_undefined(engine: ServerEngine, stand_in: StandIn) -> None:
    document = stand_in.document(None)
    del document["result"]
    stand_in.say(json.dumps(document).encode())
    raw = await ask(engine)
    assert (raw.failure, raw.value) == (None, UNDEFINED)


@pytest.mark.parametrize(
    ("bundles", "failure"),
    [
        ({"wardgate": {"revision": "fixture-2"}}, Failure.STALE_BUNDLE),
        ({"wardgate": {"revision": "fixture-2"}, "other": {"revision": LABEL}}, Failure.STALE_BUNDLE),
        ({}, Failure.UNAVAILABLE),
        ({"wardgate": {"revision": ""}}, Failure.UNAVAILABLE),
        ({"other": {"revision": LABEL}}, Failure.UNAVAILABLE),
    ],
)
async def test_an_answer_of_another_revision_is_stale_and_one_of_no_bundle_is_none(
    engine: ServerEngine, stand_in: StandIn, bundles: JsonObject, failure: Failure
) -> None:
    document = stand_in.document(GOLDEN[ASK], provenance={"version": "1.20.2", "bundles": bundles})
    stand_in.say(json.dumps(document).encode())
    raw = await ask(engine)
    assert (raw.failure, raw.value) == (failure, UNDEFINED)


async def test_a_redirect_is_not_followed(engine: ServerEngine, stand_in: StandIn) -> None:
    async def elsewhere(_: web.Request) -> web.StreamResponse:
        raise web.HTTPTemporaryRedirect(f"http://127.0.0.1:{stand_in.port}/elsewhere")

    stand_in.answer = elsewhere
    assert (await ask(engine)).detail == "status 307 without a code"
    assert stand_in.asked == 1


async def test_a_slow_server_is_a_time_out_at_the_callers_deadline(engine: ServerEngine, stand_in: StandIn) -> None:
    async def never(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(3600)
        raise AssertionError

    stand_in.answer = never
    async with asyncio.timeout(SESSION_TIMEOUT_S / 2):  # the session's own limit must not be what ends it
        assert (await ask(engine, deadline_s=0.1)).failure is Failure.TIMEOUT


async def test_a_server_that_hangs_is_given_up_at_the_engines_own_limit(
    engine: ServerEngine, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(3600)
        raise AssertionError

    stand_in.answer = never
    monkeypatch.setattr(server_engine, "EVALUATION_S", 0.1)
    assert (await ask(engine, deadline_s=3600)).failure is Failure.TIMEOUT


async def test_waiting_for_a_place_is_not_work_on_a_decision(
    stand_in: StandIn, bundle: VerifiedBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six decisions, one at a time: together they take longer than any of them may."""

    async def slowly(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.2)
        return await stand_in.well(request)

    async with engine_of(OpaServer(port=stand_in.port, connections=1), bundle) as engine:
        monkeypatch.setattr(server_engine, "EVALUATION_S", 0.8)
        stand_in.answer = slowly
        answers = await asyncio.gather(*(ask(engine, deadline_s=60) for _ in range(6)))
        impatient = await asyncio.gather(*(ask(engine, deadline_s=0.3) for _ in range(6)))
    assert [raw.failure for raw in answers] == [None] * 6
    assert Failure.TIMEOUT in {raw.failure for raw in impatient}


async def test_a_connection_that_was_cut_is_tried_once_more(engine: ServerEngine, stand_in: StandIn) -> None:
    async def cut_first(request: web.Request) -> web.StreamResponse:
        if stand_in.asked == 1:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        return await stand_in.well(request)

    stand_in.answer = cut_first
    assert (await ask(engine)).failure is None
    assert stand_in.asked == 2


async def test_a_server_that_always_cuts_is_unavailable(engine: ServerEngine, stand_in: StandIn) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    stand_in.answer = cut
    raw = await ask(engine)
    assert (raw.failure, raw.detail) == (Failure.UNAVAILABLE, "ServerDisconnectedError")
    assert stand_in.asked == 2


async def test_a_server_that_gives_other_golden_decisions_is_refused(stand_in: StandIn, bundle: VerifiedBundle) -> None:
    stand_in.say(json.dumps(stand_in.document({**GOLDEN[ASK], "expires_in_s": 61})).encode())
    async with engine_of(OpaServer(port=stand_in.port)) as engine:
        with pytest.raises(WardgateError) as caught:
            await engine.activate(bundle)
        assert caught.value.code is ErrorCode.BUNDLE_REJECTED
        assert not (await engine.health()).ready


async def test_a_server_that_does_not_run_the_new_bundle_keeps_the_old_one_in_force(
    engine: ServerEngine, bundle: VerifiedBundle, scratch: Path, key: SigningKey
) -> None:
    newer = fixture_bundle(scratch, key, revision=2, label="fixture-2")
    with pytest.raises(WardgateError, match="PDP_STALE_BUNDLE"):
        await engine.activate(newer)
    raw = await ask(engine)
    assert (raw.failure, raw.bundle) == (None, bundle.id)


async def test_nobody_listening_is_unavailable(engine: ServerEngine, stand_in: StandIn) -> None:
    await stand_in.stop()
    raw = await ask(engine)
    assert (raw.failure, raw.detail) == (Failure.UNAVAILABLE, "ClientConnectorError")
    assert not (await engine.health()).ready


async def test_an_engine_without_a_bundle_and_a_closed_one_are_unavailable(
    stand_in: StandIn, bundle: VerifiedBundle
) -> None:
    engine = ServerEngine(OpaServer(port=stand_in.port))
    assert (await ask(engine)).detail == "no bundle is active"
    await engine.activate(bundle)
    assert (await engine.health()).ready
    await engine.aclose()
    await engine.aclose()
    assert (await ask(engine)).detail == "closed"
    with pytest.raises(WardgateError) as caught:
        await engine.activate(bundle)
    assert caught.value.code is ErrorCode.POLICY_UNAVAILABLE


@pytest.mark.parametrize("host", ["opa.example.org", "10.0.0.1", "0.0.0.0", "::"])
def test_plain_http_across_a_network_is_refused(host: str) -> None:
    with pytest.raises(WardgateError) as caught:
        OpaServer(host=host)
    assert caught.value.code is ErrorCode.SETTINGS_INVALID


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_plain_http_on_the_loopback_interface_is_accepted(host: str) -> None:
    assert OpaServer(host=host).tls is None


def test_a_token_is_not_shown() -> None:
    assert "hunter2" not in repr(OpaServer(token=Secret(b"hunter2")))


@pytest.fixture
def opa_bundle(tmp_path: Path, bundle: VerifiedBundle) -> Path:
    path = tmp_path / OPA_BUNDLE
    path.write_bytes(bundle.file(OPA_BUNDLE))
    return path


@pytest.mark.opa
@pytest.mark.parametrize(
    ("trick", "failure"),
    [
        ("", None),
        ("nonsense", Failure.UNDEFINED),
        ("divide_by_zero", Failure.UNAVAILABLE),
        ("surplus", Failure.BAD_RESULT),
        ("take_time", Failure.TIMEOUT),
    ],
)
async def test_a_real_server_decides_and_fails_closed(
    opa_bundle: Path, bundle: VerifiedBundle, trick: str, failure: Failure | None
) -> None:
    async with running_opa(opa_bundle) as opa, engine_of(OpaServer(port=opa.port)) as engine:
        point = PolicyPoint(engine, bundle, lambda: NOW)
        assert (await point.activate()).golden == len(EntryPoint)
        done = await point.decide(ASK, requester_input(trick), 1.0)
        assert done.decision.failure is failure
        assert done.decision.permitted == (failure is None)
        if trick == "divide_by_zero":
            assert done.record.detail == "status 500 internal_error"


@pytest.mark.opa
async def test_a_real_server_that_dies_denies_and_one_that_comes_back_decides(
    opa_bundle: Path, bundle: VerifiedBundle
) -> None:
    async with running_opa(opa_bundle) as opa, engine_of(OpaServer(port=opa.port), bundle) as engine:
        point = PolicyPoint(engine, bundle, lambda: NOW)
        asking = [asyncio.create_task(point.decide(ASK, requester_input(), 5.0)) for _ in range(50)]
        await asyncio.sleep(0.02)
        opa.kill()
        for done in await asyncio.gather(*asking):
            assert done.decision.failure in {None, Failure.UNAVAILABLE}
        done = await point.decide(ASK, requester_input(), 5.0)
        assert done.decision.failure is Failure.UNAVAILABLE
        assert not (await point.health()).ready
        async with running_opa(opa_bundle, port=opa.port):
            assert (await point.decide(ASK, requester_input(), 5.0)).decision.permitted
            assert (await point.health()).ready


@pytest.mark.opa
async def test_a_real_server_whose_bundle_was_swapped_behind_our_back_is_stale(
    opa_bundle: Path, bundle: VerifiedBundle, tmp_path: Path
) -> None:
    other = tmp_path / "other.tar.gz"
    run_opa(opa_command(), "build", "-b", FIXTURE / "source", "-r", "fixture-2", "-o", other)
    async with running_opa(opa_bundle) as opa, engine_of(OpaServer(port=opa.port), bundle) as engine:
        assert (await ask(engine)).failure is None
        other.replace(opa_bundle)
        raw = await ask(engine)
        async with asyncio.timeout(20):
            while raw.failure is None:
                raw = await ask(engine)
        assert raw.failure is Failure.STALE_BUNDLE


@pytest.mark.opa
async def test_a_real_server_with_a_private_authority_is_spoken_to_by_mutual_tls(
    opa_bundle: Path, bundle: VerifiedBundle, tmp_path: Path
) -> None:
    pki = Pki()
    server = pki.credentials(GATEWAY, dns=("localhost",))
    client = pki.credentials(CAMDEN)
    files = {"server.pem": server.chain, "server.key": server.private_key.reveal(), "ca.pem": pki.authority.pem}
    files |= {"client.pem": client.chain, "client.key": client.private_key.reveal()}
    files |= {"other.pem": CertificateAuthority.create("another authority").pem}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    certificates = (tmp_path / "server.pem", tmp_path / "server.key", tmp_path / "ca.pem")
    async with running_opa(opa_bundle, tls=certificates) as opa:
        trusted = client_tls(tmp_path / "ca.pem", tmp_path / "client.pem", tmp_path / "client.key")
        async with engine_of(OpaServer("localhost", opa.port, tls=trusted), bundle) as engine:
            assert (await ask(engine)).failure is None
        untrusted = client_tls(tmp_path / "other.pem", tmp_path / "client.pem", tmp_path / "client.key")
        async with engine_of(OpaServer("localhost", opa.port, tls=untrusted)) as engine:
            with pytest.raises(WardgateError, match="PDP_UNAVAILABLE"):
                await engine.activate(bundle)


@pytest.mark.opa
async def test_a_real_server_that_wants_a_token_gets_it(opa_bundle: Path, bundle: VerifiedBundle) -> None:
    async with running_opa(opa_bundle, token="a-long-token") as opa:
        async with engine_of(OpaServer(port=opa.port, token=Secret(b"a-long-token")), bundle) as engine:
            assert (await ask(engine)).failure is None
        async with engine_of(OpaServer(port=opa.port)) as engine:
            with pytest.raises(WardgateError, match="PDP_UNAVAILABLE"):
                await engine.activate(bundle)
