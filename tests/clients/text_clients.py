"""The `openai` and `anthropic` packages against the sandbox."""

import base64
import json
import re

from support import check, holds, png, raises, same

MODEL = "MiniMax-M3"
WEATHER = {"type": "object", "properties": {"about": {"type": "string"}}, "required": ["about"]}


def openai_checks(sandbox):
    import openai

    def client(**more):
        return openai.OpenAI(**{"api_key": "sk-check", "base_url": f"{sandbox.url}/v1", "max_retries": 0, **more})

    ai = client()
    chat, said = ai.chat.completions, "**You said:** Hello (message 1)"
    hello = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}
    split = {"extra_body": {"reasoning_split": True}}
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}]

    def plain():
        answer = chat.create(**hello, max_completion_tokens=500, temperature=1)
        message = answer.choices[0].message
        holds(message.content.startswith("<think>") and message.content.endswith(said), message.content)
        same(answer.choices[0].finish_reason, "stop")
        same(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens, "usage")

    def reasoning():
        message = chat.create(**hello, **split).choices[0].message
        same(message.content, said)
        same(message.reasoning_content, message.reasoning_details[0]["text"], "reasoning")
        off = chat.create(**hello, extra_body={"thinking": {"type": "disabled"}}).choices[0].message
        same(off.content, said, "without thinking")

    def stream():
        chunks = list(chat.create(**hello, stream=True, stream_options={"include_usage": True}))
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        holds("</think>" in text and text.endswith(said), text)
        same(chunks[-1].usage.prompt_tokens_details.cached_tokens, 0, "cached")

    def stream_helper():
        # The helper joins the `role` and `name` that MiniMax repeats in each delta, and the cumulative
        # `reasoning_details`. That is how the package works with any server.
        with chat.stream(**hello, **split) as events:
            for _ in events:
                pass
            message = events.get_final_completion().choices[0].message
        same(message.content, said)
        holds(message.role.startswith("assistant") and message.reasoning_content, message)

    def two_turns(extra, streamed):
        question = {"role": "user", "content": "The weather? #tool"}
        if streamed:
            with chat.stream(model=MODEL, messages=[question], tools=tools, extra_body=extra) as events:
                for _ in events:
                    pass
                first = events.get_final_completion()
        else:
            first = chat.create(model=MODEL, messages=[question], tools=tools, tool_choice="auto", extra_body=extra)
        message = first.choices[0].message
        same(first.choices[0].finish_reason, "tool_calls")
        call = message.tool_calls[0]
        same((call.function.name, json.loads(call.function.arguments)), ("get_weather", {"about": "The weather?"}))
        # As in the client's documentation: the message is sent back unchanged, except for the joined role.
        kept = {**message.to_dict(mode="json"), "role": "assistant"}
        kept.pop("parsed", None)
        for calls in kept.get("tool_calls", []):
            calls["function"].pop("parsed_arguments", None)
        result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
        answer = chat.create(model=MODEL, messages=[question, kept, result], tools=tools, extra_body=extra)
        same(answer.choices[0].message.content.split("\n")[-1], "The function says: sunny. My thinking came back.")

    def picture():
        url = "data:image/png;base64," + base64.b64encode(png()).decode()
        parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": url}}]
        answer = chat.create(model=MODEL, messages=[{"role": "user", "content": parts}], **split)
        holds("I see" in answer.choices[0].message.content, answer.choices[0].message.content)

    def models():
        names = [model.id for model in ai.models.list()]
        holds(MODEL in names, names)
        same(ai.models.retrieve(MODEL).owned_by, "minimax")

    def responses():
        answer = ai.responses.create(model=MODEL, input="Hello", reasoning={"effort": "none"}, max_output_tokens=500)
        same((answer.status, answer.output_text, answer.store), ("completed", said, False))
        same(answer.usage.total_tokens, answer.usage.input_tokens + answer.usage.output_tokens)
        short = ai.responses.create(model=MODEL, input="Hello #long", max_output_tokens=5)
        same((short.status, short.incomplete_details.reason), ("incomplete", "max_output_tokens"))

    def responses_stream():
        with ai.responses.stream(model=MODEL, input="Hello", reasoning={"effort": "high"}) as events:
            seen = list(events)
            final = events.get_final_response()
        text = "".join(event.delta for event in seen if event.type == "response.output_text.delta")
        same((text, final.output_text), (said, said))
        same([event.sequence_number for event in seen], list(range(len(seen))), "the order")
        same([item.type for item in final.output], ["reasoning", "message"])

    def responses_tool():
        tools = [{"type": "function", "name": "get_weather", "parameters": WEATHER, "strict": False}]
        history = [{"role": "user", "content": "The weather? #tool"}]
        ask = {"model": MODEL, "tools": tools, "reasoning": {"effort": "high"}}
        with ai.responses.stream(input=history, **ask) as events:
            kinds = [event.type for event in events]
            first = events.get_final_response()
        holds("response.function_call_arguments.done" in kinds, kinds)
        call = next(item for item in first.output if item.type == "function_call")
        same(json.loads(call.arguments), {"about": "The weather?"})
        history += ai.responses.create(input=history, **ask).output
        result = {"type": "function_call_output", "call_id": history[-1].call_id, "output": "sunny"}
        answer = ai.responses.create(input=[*history, result], **ask)
        same(answer.output_text, "The function says: sunny. My thinking came back.")

    def errors():
        for path, call in [
            ("/v1/chat/completions", lambda ai=ai: ai.chat.completions.create(**hello)),
            ("/v1/responses", lambda ai=ai: ai.responses.create(model=MODEL, input="Hello")),
            ("/v1/models", lambda ai=ai: ai.models.list()),
        ]:
            for code, kind in [
                (1004, openai.AuthenticationError),
                (2049, openai.AuthenticationError),
                (1002, openai.RateLimitError),
                (1026, openai.UnprocessableEntityError),
                (2013, openai.BadRequestError),
                (1000, openai.InternalServerError),
            ]:
                sandbox.refuse(path, code)
                raises(kind, call, f"({code})")
            sandbox.refuse(path, 1008)
            same(raises(openai.APIStatusError, call).status_code, 402)
            sandbox.refuse(path, 1002)
            call(client(max_retries=2))  # the client waits and retries
        raises(openai.AuthenticationError, lambda: ai.models.list(extra_headers={"Authorization": openai.Omit()}), "1004")
        raises(openai.BadRequestError, lambda: chat.create(**hello, n=1, top_p=2), "top_p")
        raises(openai.BadRequestError, lambda: chat.create(model="gpt-9", messages=hello["messages"]), "gpt-9")

    def midway():
        words = {"role": "user", "content": "Hello #refuse-midway"}
        with ai.responses.stream(model=MODEL, input=[words]) as events:
            last = list(events)[-1]
        same((last.type, "(1027)" in last.response.error.message), ("response.failed", True))
        raises(openai.APIError, lambda: list(chat.create(model=MODEL, messages=[words], stream=True)), "1027")

    for name, function in [
        ("a plain answer", plain),
        ("reasoning_split and thinking in extra_body", reasoning),
        ("a stream with usage", stream),
        ("the stream helper", stream_helper),
        ("a tool in two turns", lambda: two_turns({}, False)),
        ("a tool in two turns, reasoning split", lambda: two_turns({"reasoning_split": True}, False)),
        ("a tool in two turns, streamed", lambda: two_turns({}, True)),
        ("a picture", picture),
        ("models", models),
        ("responses", responses),
        ("responses, streamed", responses_stream),
        ("responses, a tool in two turns", responses_tool),
        ("errors by class, and its own retries", errors),
        ("a refusal in mid-stream", midway),
    ]:
        check(f"openai: {name}", function)


def anthropic_checks(sandbox):
    import anthropic

    def client(**more):
        return anthropic.Anthropic(
            **{"api_key": "sk-check", "base_url": f"{sandbox.url}/anthropic", "max_retries": 0, **more}
        )

    ai = client()
    hello = {"model": MODEL, "max_tokens": 500, "messages": [{"role": "user", "content": "Hello"}]}
    said, thinks = "**You said:** Hello (message 1)", {"thinking": {"type": "adaptive"}}
    tools = [{"name": "get_weather", "input_schema": WEATHER}]

    def plain():
        system = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
        answer = ai.messages.create(**hello, system=system, metadata={"user_id": "ada"})
        same(([block.type for block in answer.content], answer.content[0].text), (["text"], said))
        same((answer.stop_reason, answer.usage.cache_read_input_tokens), ("end_turn", 0))
        bearer = client(api_key=None, auth_token="sk-check").messages.create(**hello)
        same(bearer.content[0].text, said, "with a bearer token")

    def stream():
        with ai.messages.stream(**hello, **thinks) as events:
            text = "".join(events.text_stream)
            final = events.get_final_message()
        same((text, [block.type for block in final.content]), (said, ["thinking", "text"]))
        holds(re.fullmatch("[0-9a-f]{64}", final.content[0].signature), final.content[0])
        holds(final.usage.input_tokens > 0 and final.usage.cache_read_input_tokens == 0, final.usage)

    def two_turns(streamed):
        question = {"role": "user", "content": "The weather? #tool"}
        ask = {"model": MODEL, "max_tokens": 500, "tools": tools, "tool_choice": {"type": "auto"}, **thinks}
        if streamed:
            with ai.messages.stream(messages=[question], **ask) as events:
                first = events.get_final_message()
        else:
            first = ai.messages.create(messages=[question], **ask)
        same((first.stop_reason, first.content[0].type), ("tool_use", "thinking"))
        call = first.content[-1]
        same((call.name, call.input), ("get_weather", {"about": "The weather?"}))
        # The blocks are sent back unchanged, with their signature.
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
        blocks = [block.to_dict(mode="json") for block in first.content] if streamed else first.content
        for block in blocks if streamed else []:
            block.pop("parsed_output", None)
        turns = [question, {"role": "assistant", "content": blocks}, {"role": "user", "content": [result]}]
        answer = ai.messages.create(messages=turns, **ask)
        same(answer.content[-1].text, "The function says: sunny. My thinking came back.")
        forged = [{"type": "thinking", "thinking": "Hm.", "signature": "forged"}]
        turns = [question, {"role": "assistant", "content": forged}, question]
        raises(anthropic.BadRequestError, lambda: ai.messages.create(messages=turns, **ask), "signature")

    def picture():
        source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(png()).decode()}
        parts = [{"type": "image", "source": source}, {"type": "text", "text": "What is it?"}]
        answer = ai.messages.create(model=MODEL, max_tokens=500, messages=[{"role": "user", "content": parts}])
        holds("I see" in answer.content[0].text, answer.content[0].text)

    def counting():
        count = ai.messages.count_tokens(model=MODEL, messages=hello["messages"], tools=tools)
        more = ai.messages.count_tokens(model=MODEL, messages=hello["messages"] * 2, tools=tools)
        holds(0 < count.input_tokens < more.input_tokens, (count, more))

    def models():
        names = [model.id for model in ai.models.list(limit=2)]
        holds(MODEL in names and len(names) > 2, f"{names} are not all pages")
        same(ai.models.retrieve(MODEL).type, "model")
        raises(anthropic.NotFoundError, lambda: ai.models.retrieve("claude-9"))

    def errors():
        call = lambda ai=ai: ai.messages.create(**hello)
        for code, kind, word in [
            (1004, anthropic.AuthenticationError, "authentication_error"),
            (1002, anthropic.RateLimitError, "rate_limit_error"),
            (2013, anthropic.BadRequestError, "invalid_request_error"),
            (1000, anthropic.InternalServerError, "api_error"),
        ]:
            sandbox.refuse("/anthropic/v1/messages", code)
            raises(kind, call, word)
        sandbox.refuse("/anthropic/v1/messages", 1002)
        call(client(max_retries=2))
        unknown = {**hello, "model": "claude-9"}
        raises(anthropic.NotFoundError, lambda: ai.messages.create(**unknown), "not_found_error", "claude-9")
        raises(anthropic.BadRequestError, lambda: ai.messages.create(**hello, extra_body={"temperature": 9}))

    def midway():
        words = [{"role": "user", "content": "Hello #refuse-midway"}]
        raises(
            anthropic.APIStatusError,
            lambda: list(ai.messages.create(model=MODEL, max_tokens=500, messages=words, stream=True)),
            "sensitive",
        )

    for name, function in [
        ("a plain answer, with either kind of key", plain),
        ("a stream with thinking", stream),
        ("a tool in two turns, thinking and signature kept", lambda: two_turns(False)),
        ("a tool in two turns, streamed", lambda: two_turns(True)),
        ("a picture", picture),
        ("count_tokens", counting),
        ("models, page by page", models),
        ("errors by class, and its own retries", errors),
        ("a refusal in mid-stream", midway),
    ]:
        check(f"anthropic: {name}", function)
