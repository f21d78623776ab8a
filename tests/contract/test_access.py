"""Roles: every rpc with every kind of token, over every transport."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from rungway.v1 import experiment_service_pb2 as pb
from rungway.v1 import search_service_pb2 as search_pb
from rungway.v1 import trial_pb2
from rungway.v1.experiment_service_pb2_grpc import ExperimentServiceStub
from rungway.v1.search_service_pb2_grpc import SearchServiceStub
from rungway.values import to_map
from rungway_server.service.access import REVOKED_WITHIN_SECONDS, ROLES
from rungway_server.service.tokens import EVERY_NAMESPACE, Role, Token, make_token
from rungway_server.store.redis.connection.connect import connect
from rungway_server.store.redis.tokens import RedisTokens
from tests.contract.every_rpc import RPCS, Transport, descriptors, request_for
from tests.contract.transports import TRANSPORTS
from tests.support.calls import Refusal, config, refusal_of, unique_name
from tests.support.service import Service, services
from tests.support.waiting import SECONDS, wait_until

MINE, THEIRS = "mine", "theirs"

Headers = dict[str, str]


class Tokens:
    """Makes and revokes tokens in the Redis of the service."""

    def __init__(self, url: str) -> None:
        self._url = url

    def make(self, namespace: str, role: Role, lifetime_ms: int = 0, *, secret_of: str = "") -> str:
        """The text of a new token; with `secret_of`, its secret is replaced by that of the other token."""
        token, text = make_token(namespace, role, lifetime_ms=lifetime_ms)
        self._with(lambda tokens: tokens.add(token))
        return f"{text[:20]}_{secret_of[21:]}" if secret_of else text

    def make_expired(self, namespace: str, role: Role) -> str:
        """A token made an hour ago that expired a millisecond later."""
        token, text = make_token(namespace, role)
        past: Token = replace(token, created_ms=token.created_ms - 3_600_000, expires_ms=token.created_ms - 3_599_999)
        self._with(lambda tokens: tokens.add(past))
        return text

    def revoke(self, text: str) -> None:
        """Revoke it."""
        self._with(lambda tokens: tokens.revoke(text.split("_")[1]))

    def _with(self, do: Callable[[RedisTokens], object]) -> None:
        async def run() -> None:
            async with connect(self._url, timeout_seconds=5) as router:
                await do(RedisTokens(router))  # type: ignore[misc]  # a method of RedisTokens

        asyncio.run(run())


@pytest.fixture(scope="module")
def guarded(redis_url: str) -> Iterator[Service]:
    """A service that requires tokens."""
    with services(redis_url, 1, "--tokens", "--reflection") as (running,):
        yield running


@pytest.fixture(scope="module", params=TRANSPORTS)
def channel(request: pytest.FixtureRequest, guarded: Service) -> Iterator[grpc.Channel]:
    """Each transport of the service in turn."""
    with TRANSPORTS[request.param](guarded) as channel:
        yield channel


@pytest.fixture(scope="module")
def transport(channel: grpc.Channel) -> Transport:
    return Transport(channel)


@pytest.fixture(scope="module")
def tokens(redis_url: str) -> Tokens:
    return Tokens(redis_url)


@pytest.fixture(scope="module")
def invalid(tokens: Tokens) -> Mapping[str, Headers]:
    """Headers that authenticate nobody, by what is wrong with them; without that fault, each would allow every rpc."""
    good, revoked = tokens.make(EVERY_NAMESPACE, Role.ADMIN), tokens.make(EVERY_NAMESPACE, Role.ADMIN)
    tokens.revoke(revoked)
    unknown = make_token(EVERY_NAMESPACE, Role.ADMIN)[1]
    values = {
        "nothing": None,
        "an empty header": "",
        "no scheme": good,
        "another scheme": f"Basic {good}",
        "no token": "Bearer ",
        "two tokens": f"Bearer {good} {good}",
        "malformed": "Bearer hunter2",
        "cut off": f"Bearer {good[:-1]}",
        "too long": f"Bearer {good}x",
        "the secret alone": f"Bearer {good.split('_', 2)[2]}",
        "an unknown id": f"Bearer {unknown}",
        "the secret of another token": f"Bearer {tokens.make(EVERY_NAMESPACE, Role.ADMIN, secret_of=good)}",
        "revoked": f"Bearer {revoked}",
        "expired": f"Bearer {tokens.make_expired(EVERY_NAMESPACE, Role.ADMIN)}",
    }
    return {what: {} if value is None else {"authorization": value} for what, value in values.items()}


@pytest.fixture(scope="module")
def mine(tokens: Tokens) -> Mapping[Role, Headers]:
    """Headers with a token of each role for one namespace."""
    return {role: bearer(tokens.make(MINE, role)) for role in Role}


@pytest.fixture(scope="module")
def theirs(tokens: Tokens, transport: Transport) -> Iterator[Headers]:
    """The administrator of another namespace that has an experiment "secret". The fixture deletes it at the end,
    because it is made again when other tests run between those of this module."""
    headers = bearer(tokens.make(THEIRS, Role.ADMIN))
    create = request_for("rungway.v1.ExperimentService/CreateExperiment", "secret")
    assert transport.call("rungway.v1.ExperimentService/CreateExperiment", create, headers) is None
    assert (
        transport.call("rungway.v1.SearchService/Ask", request_for("rungway.v1.SearchService/Ask", "secret"), headers)
        is None
    )
    yield headers
    delete = request_for("rungway.v1.ExperimentService/DeleteExperiment", "secret")
    assert transport.call("rungway.v1.ExperimentService/DeleteExperiment", delete, headers) is None


def bearer(text: str) -> Headers:
    return {"authorization": f"Bearer {text}"}


def test_every_rpc_has_a_role() -> None:
    assert {rpc for rpc in ROLES if rpc.startswith("rungway.")} == descriptors() == set(RPCS)


@pytest.mark.parametrize("rpc", RPCS)
def test_no_rpc_without_a_valid_token(rpc: str, transport: Transport, invalid: Mapping[str, Headers]) -> None:
    texts = {}
    for what, headers in invalid.items():
        refusal = transport.call(rpc, request_for(rpc, "e"), headers)
        assert refusal, f"{rpc} served with {what}"
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED"), what
        assert refusal.metadata == {}
        texts[what] = refusal.message
    missing = {texts.pop("nothing"), texts.pop("an empty header")}
    assert len(missing) == 1
    assert len(set(texts.values())) == 1, "the text tells what is wrong with a token"


@pytest.mark.parametrize("rpc", RPCS)
def test_every_rpc_needs_its_role(rpc: str, transport: Transport, mine: Mapping[Role, Headers]) -> None:
    for role in Role:
        refusal = transport.call(rpc, request_for(rpc, unique_name("role")), mine[role])
        if role < ROLES[rpc]:
            assert refusal
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED")
            assert refusal.message == f"the call needs the role {ROLES[rpc].word}, the token has {role.word}"
        else:
            assert refusal is None or refusal.code is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    "rpc",
    [
        rpc
        for rpc, request in RPCS.items()
        if "experiment" in request.DESCRIPTOR.fields_by_name and not rpc.endswith("/CreateExperiment")
    ],
)
def test_the_experiment_of_another_namespace_does_not_exist(
    rpc: str, transport: Transport, mine: Mapping[Role, Headers], theirs: Headers, channel: grpc.Channel
) -> None:
    before = read(channel, theirs)
    real, imagined = (transport.call(rpc, request_for(rpc, name), mine[Role.ADMIN]) for name in ("secret", "nobody"))
    assert real
    assert imagined
    assert real.code is grpc.StatusCode.NOT_FOUND
    assert renamed(real) == imagined
    assert read(channel, theirs) == before


def renamed(refusal: Refusal) -> Refusal:
    """The refusal as it would name an experiment that does not exist."""
    metadata = {key: value.replace("secret", "nobody") for key, value in refusal.metadata.items()}
    return replace(refusal, message=refusal.message.replace("secret", "nobody"), metadata=metadata)


def read(channel: grpc.Channel, headers: Headers) -> pb.GetExperimentResponse:
    request = pb.GetExperimentRequest(experiment="secret")
    return ExperimentServiceStub(channel).GetExperiment(request, timeout=SECONDS, metadata=tuple(headers.items()))


def test_a_name_of_another_namespace_is_free(
    channel: grpc.Channel, mine: Mapping[Role, Headers], theirs: Headers
) -> None:
    stub, metadata = ExperimentServiceStub(channel), tuple(mine[Role.ADMIN].items())
    before = read(channel, theirs)
    stub.CreateExperiment(request_of("secret"), timeout=SECONDS, metadata=metadata)
    listed = stub.ListExperiments(pb.ListExperimentsRequest(), timeout=SECONDS, metadata=tuple(theirs.items()))
    assert [found.experiment for found in listed.experiments] == ["secret"]
    assert listed.experiments[0].create_time == before.experiment.create_time
    stub.DeleteExperiment(pb.DeleteExperimentRequest(experiment="secret"), timeout=SECONDS, metadata=metadata)
    assert read(channel, theirs) == before


def request_of(name: str, **fields: str) -> pb.CreateExperimentRequest:
    return pb.CreateExperimentRequest(experiment=name, config=to_map(config()), **fields)  # type: ignore[arg-type]


@pytest.mark.usefixtures("theirs")
def test_no_warm_start_from_another_namespace(transport: Transport, mine: Mapping[Role, Headers]) -> None:
    rpc = "rungway.v1.ExperimentService/CreateExperiment"
    real, imagined = (
        transport.call(rpc, request_of(unique_name("warm"), warm_start_from=name), mine[Role.ADMIN])
        for name in ("secret", "nobody")
    )
    assert real
    assert imagined
    assert real.reason == "EXPERIMENT_NOT_FOUND"
    assert renamed(real) == imagined


@pytest.mark.usefixtures("theirs")
@pytest.mark.parametrize("rpc", RPCS)
def test_a_token_is_for_its_own_namespace(rpc: str, transport: Transport, mine: Mapping[Role, Headers]) -> None:
    answers = {
        name: transport.call(rpc, request_for(rpc, "secret"), {**mine[Role.ADMIN], "rungway-namespace": name})
        for name in (THEIRS, "nobody")
    }
    for name, refusal in answers.items():
        assert refusal
        assert (refusal.code, refusal.metadata) == (grpc.StatusCode.PERMISSION_DENIED, {"namespace": name})
        assert refusal.message == f"the token is not for the namespace {name!r}"


@pytest.mark.usefixtures("theirs")
def test_a_token_for_all_namespaces_names_the_one_it_means(channel: grpc.Channel, tokens: Tokens) -> None:
    stub, every = ExperimentServiceStub(channel), bearer(tokens.make(EVERY_NAMESPACE, Role.READ))
    for named, expected in (({"rungway-namespace": THEIRS}, ["secret"]), ({"rungway-namespace": "empty"}, [])):
        metadata = tuple({**every, **named}.items())
        listed = stub.ListExperiments(pb.ListExperimentsRequest(), timeout=SECONDS, metadata=metadata)
        assert [found.experiment for found in listed.experiments] == expected
    for wrong in ("{theirs}", "theirs/secret", "a:b", "A", "*", "x" * 64):
        with pytest.raises(grpc.RpcError) as refused:
            stub.ListExperiments(
                pb.ListExperimentsRequest(), timeout=SECONDS, metadata=(*every.items(), ("rungway-namespace", wrong))
            )
        assert refusal_of(refused.value).fields == ("namespace",)


def test_several_tokens_are_good_at_once_and_a_revoked_one_soon_is_not(
    transport: Transport, tokens: Tokens, guarded: Service, channel: grpc.Channel
) -> None:
    rpc = "rungway.v1.ExperimentService/ListExperiments"
    old, new = tokens.make(MINE, Role.ADMIN), tokens.make(MINE, Role.ADMIN)
    assert [transport.call(rpc, RPCS[rpc], bearer(each)) for each in (old, new)] == [None, None]
    name = unique_name("watched")
    stub = ExperimentServiceStub(channel)
    stub.CreateExperiment(request_of(name), timeout=SECONDS, metadata=tuple(bearer(new).items()))
    watched, metadata = pb.WatchEventsRequest(experiment=name), tuple(bearer(old).items())
    stream = stub.WatchEvents(watched, timeout=SECONDS, metadata=metadata)
    tokens.revoke(old)
    wait_until(lambda: transport.call(rpc, RPCS[rpc], bearer(old)) is not None, REVOKED_WITHIN_SECONDS + 10)
    with pytest.raises(grpc.RpcError) as ended:
        list(stream)
    assert refusal_of(ended.value).reason == "UNAUTHENTICATED"
    assert transport.call(rpc, RPCS[rpc], bearer(new)) is None


def test_health_needs_no_token_and_reflection_does(guarded: Service, tokens: Tokens) -> None:
    with grpc.insecure_channel(guarded.address) as channel:
        check_health_and_reflection(channel, tokens)


def check_health_and_reflection(channel: grpc.Channel, tokens: Tokens) -> None:
    answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=SECONDS)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    ask = iter([reflection_pb2.ServerReflectionRequest(list_services="*")])
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    with pytest.raises(grpc.RpcError) as refused:
        list(stub.ServerReflectionInfo(ask, timeout=SECONDS))
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
    ask = iter([reflection_pb2.ServerReflectionRequest(list_services="*")])
    metadata = tuple(bearer(tokens.make(MINE, Role.READ)).items())
    assert list(stub.ServerReflectionInfo(ask, timeout=SECONDS, metadata=metadata))


@pytest.mark.parametrize("opened", TRANSPORTS.values(), ids=TRANSPORTS)
def test_without_tokens_callers_choose_their_namespace(
    opened: Callable[[Service], grpc.Channel], service: Service
) -> None:
    name = unique_name("open")
    with opened(service) as channel:
        stub, elsewhere = ExperimentServiceStub(channel), (("rungway-namespace", "elsewhere"),)
        stub.CreateExperiment(request_of(name), timeout=SECONDS, metadata=elsewhere)
        request = pb.GetExperimentRequest(experiment=name)
        assert stub.GetExperiment(request, timeout=SECONDS, metadata=elsewhere).experiment.experiment == name
        with pytest.raises(grpc.RpcError) as refused:
            stub.GetExperiment(request, timeout=SECONDS)
        assert refusal_of(refused.value).reason == "EXPERIMENT_NOT_FOUND"


def test_a_lease_is_good_for_every_worker_of_its_namespace(
    channel: grpc.Channel, tokens: Tokens, mine: Mapping[Role, Headers]
) -> None:
    """Workers of one namespace trust each other, as docs/security.md says; those of others cannot even name a lease."""
    name, search = unique_name("shared"), SearchServiceStub(channel)

    def of(headers: Headers) -> dict[str, Any]:
        return {"metadata": tuple(headers.items()), "timeout": SECONDS}

    request = pb.CreateExperimentRequest(experiment=name, config=to_map(config(max_length={"epochs": 9})))
    ExperimentServiceStub(channel).CreateExperiment(request, **of(mine[Role.ADMIN]))
    (given,) = search.Ask(search_pb.AskRequest(experiment=name), **of(mine[Role.WORK])).assignments
    another, stranger = (bearer(tokens.make(namespace, Role.WORK)) for namespace in (MINE, THEIRS))
    tell = search_pb.TellRequest(experiment=name)
    tell.results.add(lease=given.lease).reports.add(length=1, metric=0.5)
    assert search.Tell(tell, **of(another)).verdicts[0].decision == trial_pb2.DECISION_CONTINUE
    with pytest.raises(grpc.RpcError) as failed:
        search.Tell(tell, **of(stranger))
    assert refusal_of(failed.value).reason == "EXPERIMENT_NOT_FOUND"
    release = search_pb.ReleaseRequest(experiment=name, releases=[search_pb.Release(lease=given.lease)])
    assert search.Release(release, **of(another)).verdicts[0].decision == trial_pb2.DECISION_PAUSE
