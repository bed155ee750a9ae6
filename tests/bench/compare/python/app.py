"""The classic service: FastAPI, uvicorn and the Agents SDK, with the same API and the same frames."""

import json
import os
import uuid

from agents import Agent, ModelSettings, OpenAIChatCompletionsModel, Runner, set_tracing_disabled
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from httpx2 import Limits
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from openai.types.responses import ResponseTextDeltaEvent
from pydantic import BaseModel, Field

set_tracing_disabled(True)
client = AsyncOpenAI(
    api_key=os.environ["OPENAI_API_KEY"],
    base_url=os.environ["OPENAI_BASE_URL"],
    # As many streams at once as come; the client's own limit is a thousand.
    http_client=DefaultAsyncHttpxClient(limits=Limits(max_connections=None)),
)
agent = Agent(
    name="assistant",
    instructions="You are a helpful assistant.",
    model=OpenAIChatCompletionsModel(model="gpt-4", openai_client=client),
    model_settings=ModelSettings(max_tokens=2000, include_usage=True),
)
app = FastAPI()


class ChatRequest(BaseModel):
    message: str = Field(min_length=1, max_length=8000)


def frame(fields: dict) -> str:
    return f"data: {json.dumps(fields, ensure_ascii=False, separators=(',', ':'))}\n\n"


async def frames(message: str, correlation_id: str):
    sequence = 0
    result = Runner.run_streamed(agent, input=message)
    async for event in result.stream_events():
        if event.type == "raw_response_event" and isinstance(event.data, ResponseTextDeltaEvent):
            yield frame(
                {
                    "content": event.data.delta,
                    "sequence": sequence,
                    "is_final": False,
                    "correlation_id": correlation_id,
                }
            )
            sequence += 1
    usage = result.context_wrapper.usage
    yield frame(
        {
            "content": "",
            "sequence": sequence,
            "is_final": True,
            "correlation_id": correlation_id,
            "finish_reason": "stop",
            "usage": {
                "input_tokens": usage.input_tokens,
                "output_tokens": usage.output_tokens,
                "total_tokens": usage.total_tokens,
            },
        }
    )


@app.post("/chat")
async def chat(body: ChatRequest, request: Request) -> StreamingResponse:
    correlation_id = request.headers.get("x-correlation-id") or str(uuid.uuid4())
    return StreamingResponse(frames(body.message, correlation_id), media_type="text/event-stream")
