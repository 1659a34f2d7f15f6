"""What an HTTP interface answers to a request that is not what its page wants: which field, and what was expected.

Never what was sent: a password in the wrong place would come back, and what is no text or no number could not be sent.
"""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

MALFORMED, MAX_TEXT = 422, 500


def teach(api: FastAPI) -> None:
    """Have all pages answer malformed requests so: 422 {"error": "malformed", "text": ...}."""

    async def answer(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return JSONResponse({"error": "malformed", "text": told(error)}, MALFORMED)

    api.add_exception_handler(RequestValidationError, answer)


def told(error: RequestValidationError) -> str:
    """Return `body.setpoint: Input should be a finite number`, for each field that is wrong."""
    found = [f"{'.'.join(str(part) for part in row['loc'])}: {row['msg']}" for row in error.errors()]
    return "; ".join(found)[:MAX_TEXT].encode("utf-8", "replace").decode()
