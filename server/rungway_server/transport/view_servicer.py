"""ViewService: reads the message, calls the use case, writes the answer."""

from contextlib import aclosing

from rungway.__about__ import __version__
from rungway.v1 import view_service_pb2 as pb
from rungway.v1.view_service_pb2_grpc import ViewServiceServicer
from rungway_server.service.access import CALLER
from rungway_server.service.configs import read_config
from rungway_server.service.view_cache import View
from rungway_server.service.views import ViewUseCases
from rungway_server.transport import requests
from rungway_server.transport.errors import Context, typed_errors
from rungway_server.transport.view_wire import config_message, curves_message, importance_message, view_message

# The proto describes what each rpc does.


def build_view_servicer(views: ViewUseCases) -> ViewServiceServicer:
    """ViewService by these use cases."""
    return _ViewServicer(views)


class _ViewServicer(ViewServiceServicer):
    def __init__(self, views: ViewUseCases) -> None:
        self._views = views

    @typed_errors
    async def GetView(self, request: pb.GetViewRequest, context: Context) -> pb.GetViewResponse:
        ref = requests.read_ref(request.experiment)
        return await self._views.get(ref, request.cursor, _got)

    @typed_errors
    async def WatchView(  # type: ignore[override]  # writes to the context instead of yielding
        self, request: pb.WatchViewRequest, context: Context
    ) -> None:
        ref = requests.read_ref(request.experiment)
        async with aclosing(self._views.watch(ref, request.cursor, _watched)) as messages:
            async for message in messages:
                await context.write(message)

    @typed_errors
    async def GetCurves(self, request: pb.GetCurvesRequest, context: Context) -> pb.GetCurvesResponse:
        ref, trials = requests.read_ref(request.experiment), list(request.trials)
        curves, names = await self._views.curves(ref, trials, request.max_points, requests.read_further_of(request))
        return await curves_message(trials, curves, names)

    @typed_errors
    async def GetImportance(self, request: pb.GetImportanceRequest, context: Context) -> pb.GetImportanceResponse:
        ref = requests.read_ref(request.experiment)
        bracket = request.bracket if request.HasField("bracket") else None
        return importance_message(await self._views.importance(ref, bracket))

    @typed_errors
    async def GetCaller(self, request: pb.GetCallerRequest, context: Context) -> pb.GetCallerResponse:
        caller = CALLER.get()
        return pb.GetCallerResponse(
            namespace=caller.namespace,
            role=caller.role.word,
            every_namespace=caller.every_namespace,
            tokens=caller.tokens,
            version=__version__,
        )

    @typed_errors
    async def ReadConfig(self, request: pb.ReadConfigRequest, context: Context) -> pb.ReadConfigResponse:
        namespace = requests.NAMESPACE.get()
        document = await read_config(namespace, request.text)
        return await config_message(namespace, document)


async def _got(view: View) -> pb.GetViewResponse:
    return pb.GetViewResponse(view=await view_message(view))


async def _watched(view: View) -> pb.WatchViewResponse:
    return pb.WatchViewResponse(view=await view_message(view))
