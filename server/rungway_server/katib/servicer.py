"""Katib's services over gRPC, and what its controller makes of each status.

It takes INVALID_ARGUMENT, UNKNOWN and UNAVAILABLE of `ValidateAlgorithmSettings` as the end of the experiment, so that
method reads its message and nothing else, and knows no other answer than OK and INVALID_ARGUMENT. After an error of
`GetSuggestions` it calls again, and shows the text as an event of the experiment.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import structlog

from rungway_server.domain.errors import InvalidInput, RungwayError
from rungway_server.katib.checkpoints import NoTrialDirs
from rungway_server.katib.log import BadLog
from rungway_server.katib.outcomes import LogLost
from rungway_server.katib.replay import Waiting
from rungway_server.katib.suggesting import Suggesting, TooManyRuns, check
from rungway_server.katib.wire import api_pb2 as pb
from rungway_server.store.redis.connection.errors import RedisStartError

SUGGESTION = pb.DESCRIPTOR.services_by_name["Suggestion"].full_name
EARLY_STOPPING = pb.DESCRIPTOR.services_by_name["EarlyStopping"].full_name

Context = Any
_Status = grpc.StatusCode
_STATUS: dict[type[Exception], grpc.StatusCode] = {
    InvalidInput: _Status.INVALID_ARGUMENT,
    BadLog: _Status.FAILED_PRECONDITION,
    LogLost: _Status.FAILED_PRECONDITION,
    TooManyRuns: _Status.FAILED_PRECONDITION,
    NoTrialDirs: _Status.FAILED_PRECONDITION,
    Waiting: _Status.UNAVAILABLE,
    RedisStartError: _Status.UNAVAILABLE,
    RungwayError: _Status.UNAVAILABLE,
    OSError: _Status.UNAVAILABLE,
}
_log = structlog.get_logger()


class Servicer:
    """The methods of both services by name."""

    def __init__(self, suggesting: Suggesting) -> None:
        self._suggesting = suggesting

    async def get_suggestions(self, request: pb.GetSuggestionsRequest, context: Context) -> pb.GetSuggestionsReply:
        """As many runs as are asked for, or an error that says what is awaited or wrong."""
        try:
            return await self._suggesting.suggest(request)
        except tuple(_STATUS) as error:
            status = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
            tell = _log.info if isinstance(error, Waiting) else _log.warning
            tell("not_suggested", experiment=request.experiment.name, status=status.name, why=str(error))
            await context.abort(status, str(error))
            raise

    async def validate(self, request: pb.ValidateAlgorithmSettingsRequest, context: Context) -> Any:
        """OK, or INVALID_ARGUMENT with every wrong field."""
        try:
            check(request.experiment)
        except InvalidInput as error:
            _log.info("refused", experiment=request.experiment.name, why=str(error))
            await context.abort(_Status.INVALID_ARGUMENT, str(error))
        except Exception as error:
            _log.exception("validation_fault", experiment=request.experiment.name)
            await context.abort(_Status.INVALID_ARGUMENT, f"cannot be read: {error!r}")
        return pb.ValidateAlgorithmSettingsReply()

    async def rules(self, request: pb.GetEarlyStoppingRulesRequest, context: Context) -> pb.GetEarlyStoppingRulesReply:
        """None: a run ends at its rung."""
        return pb.GetEarlyStoppingRulesReply()

    async def validate_rules(self, request: pb.ValidateEarlyStoppingSettingsRequest, context: Context) -> Any:
        """Always INVALID_ARGUMENT: nobody should wait for rules that never come."""
        name = request.early_stopping.algorithm_name
        await context.abort(
            _Status.INVALID_ARGUMENT,
            f"earlyStopping: got {name!r}, wanted none: Rungway's runs end at their rungs, it has no rules for Katib",
        )


def handlers(servicer: Servicer) -> list[grpc.GenericRpcHandler]:
    """The services as grpc wants them."""
    return [
        grpc.method_handlers_generic_handler(
            SUGGESTION,
            {
                "GetSuggestions": _handler(servicer.get_suggestions, pb.GetSuggestionsRequest),
                "ValidateAlgorithmSettings": _handler(servicer.validate, pb.ValidateAlgorithmSettingsRequest),
            },
        ),
        grpc.method_handlers_generic_handler(
            EARLY_STOPPING,
            {
                "GetEarlyStoppingRules": _handler(servicer.rules, pb.GetEarlyStoppingRulesRequest),
                "ValidateEarlyStoppingSettings": _handler(
                    servicer.validate_rules, pb.ValidateEarlyStoppingSettingsRequest
                ),
            },
        ),
    ]


def _handler(serve: Callable[[Any, Context], Awaitable[Any]], request: Any) -> Any:
    return grpc.unary_unary_rpc_method_handler(
        serve, request_deserializer=request.FromString, response_serializer=lambda reply: reply.SerializeToString()
    )
