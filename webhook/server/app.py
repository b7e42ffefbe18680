"""The Flask applications: the webhook, and beside it health and metrics on a plain port."""

from typing import Any

from flask import Flask, Response, jsonify, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from werkzeug.exceptions import HTTPException

from webhook.server.admission import Admission, BadRequestError
from webhook.server.readiness import Readiness

LONGEST_BODY = 7 * 1024 * 1024  # bytes: an object of etcd's 1.5 MiB, old and new, written out as JSON


def admission_app(admission: Admission) -> Flask:
    """Return the webhook as a Flask application: POST /validate, and a reason in JSON for anything else.

    Granian hands reviews to Admission directly (webhook/server/worker.py) and the rest to this application, which any
    WSGI server can run whole.
    """
    app = Flask("podgate")
    app.config["MAX_CONTENT_LENGTH"] = LONGEST_BODY

    @app.post("/validate")
    def validate() -> Response:
        answer = admission.answer(request.content_type or "", request.get_data())
        return Response(answer, content_type="application/json")

    @app.errorhandler(BadRequestError)
    def bad_request(error: BadRequestError) -> tuple[Response, int]:
        return Response(error.as_json(), content_type="application/json"), error.status

    _explain_errors(app)
    return app


def health_app(readiness: Readiness, registry: CollectorRegistry) -> Flask:
    """Return the application of the plain port: /healthz, /readyz and /metrics."""
    app = Flask("podgate-health")

    @app.get("/healthz")
    def healthz() -> Response:
        return Response("ok\n", content_type="text/plain")

    @app.get("/readyz")
    def readyz() -> Response:
        report = readiness.report()
        # A file's name that is not UTF-8 is text with surrogates, which cannot be encoded as they are.
        text = str(report).encode(errors="backslashreplace")
        return Response(text, status=200 if report.ready else 503, content_type="text/plain; charset=utf-8")

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    _explain_errors(app)
    return app


def _explain_errors(app: Flask) -> None:
    @app.errorhandler(HTTPException)
    def explain(error: HTTPException) -> Any:
        response = error.get_response()
        response.data = jsonify(reason=error.description).data
        response.content_type = "application/json"
        return response
