"""Runs the calls of matrix.py with one Python client over one transport. Prints the outcome as a line of JSON.

    python matrix_python.py NAME PACKAGE '{"transport": …}'
"""

import asyncio
import hashlib
import importlib.metadata
import json
import logging
import re
import sys
import traceback
import urllib.request
from contextlib import asynccontextmanager
from pathlib import Path

MAGIC = {"image": (b"\xff\xd8",), "speech": (b"ID3", b"\xff\xfb", b"\xff\xf3"), "video": (b"ftyp",)}
TOOLS = {"text_to_image", "text_to_audio", "generate_video", "get_job", "list_jobs"}


def structure(result):
    """A field of a result of the `mcp` package, which changed its names after version 1."""
    failed = getattr(result, "is_error", None) or getattr(result, "isError", None)
    if failed:
        raise AssertionError(result.content[0].text)
    return getattr(result, "structured_content", None) or result.structuredContent


def contents(result):
    """The bytes of the only content at a URI."""
    import base64

    (one,) = getattr(result, "contents", result)
    text = getattr(one, "text", None)
    return text.encode() if text is not None else base64.b64decode(one.blob)


class OfMcp:
    """Any object with the methods of a session of the `mcp` package."""

    def __init__(self, session, protocol=""):
        self.session, self.protocol = session, protocol

    async def tools(self):
        listed = await self.session.list_tools()
        return {tool.name for tool in getattr(listed, "tools", listed)}

    async def call(self, name, arguments):
        return structure(await self.session.call_tool(name, arguments))

    async def read(self, uri):
        return contents(await self.session.read_resource(uri))


@asynccontextmanager
async def mcp_2(play, mode="auto"):
    import mcp
    from mcp.client.sse import sse_client

    if play["transport"] == "stdio":
        where = mcp.StdioServerParameters(command=play["program"], args=[], env=play["settings"])
    else:
        where = play["url"] if play["transport"] == "http" else sse_client(play["url"])
    async with mcp.Client(where, mode=mode, read_timeout_seconds=60) as client:
        yield OfMcp(client, client.protocol_version)


@asynccontextmanager
async def mcp_1(play):
    import mcp
    from mcp.client.sse import sse_client
    from mcp.client.stdio import stdio_client
    from mcp.client.streamable_http import streamable_http_client

    if play["transport"] == "stdio":
        opened = stdio_client(mcp.StdioServerParameters(command=play["program"], args=[], env=play["settings"]))
    else:
        opened = {"http": streamable_http_client, "sse": sse_client}[play["transport"]](play["url"])
    async with opened as (reader, writer, *_), mcp.ClientSession(reader, writer) as session:
        begun = await session.initialize()
        from pydantic import AnyUrl

        client = OfMcp(session, begun.protocolVersion)
        client.read = lambda uri: _read_1(session, AnyUrl(uri))
        yield client


async def _read_1(session, uri):
    return contents(await session.read_resource(uri))


def fastmcp_transport(play):
    from fastmcp.client.transports import SSETransport, StdioTransport, StreamableHttpTransport

    if play["transport"] == "stdio":
        return StdioTransport(play["program"], [], env=play["settings"], keep_alive=False)
    return {"http": StreamableHttpTransport, "sse": SSETransport}[play["transport"]](play["url"])


def spoken(client):
    """The protocol revision of a FastMCP client, if it reports it."""
    for name in ("protocol_version", "negotiated_protocol_version"):
        if isinstance(found := getattr(client, name, None), str):
            return found
    begun = getattr(client, "initialize_result", None)
    return getattr(begun, "protocol_version", None) or getattr(begun, "protocolVersion", None) or ""


@asynccontextmanager
async def fastmcp(play):
    from fastmcp import Client

    async with Client(fastmcp_transport(play)) as client:

        class Through(OfMcp):
            async def call(self, name, arguments):
                return (await client.call_tool(name, arguments)).structured_content

        yield Through(client, spoken(client))


@asynccontextmanager
async def langchain(play):
    from langchain_mcp_adapters.client import MultiServerMCPClient
    from langchain_mcp_adapters.resources import load_mcp_resources
    from langchain_mcp_adapters.tools import load_mcp_tools

    if play["transport"] == "stdio":
        how = {"transport": "stdio", "command": play["program"], "args": [], "env": play["settings"]}
    else:
        how = {"transport": {"http": "streamable_http", "sse": "sse"}[play["transport"]], "url": play["url"]}

    async with MultiServerMCPClient({"minimax": how}).session("minimax") as session:
        tools = {tool.name: tool for tool in await load_mcp_tools(session)}

        class Through:
            protocol = ""

            async def tools(self):
                return set(tools)

            async def call(self, name, arguments):
                message = await tools[name].ainvoke({"type": "tool_call", "id": "1", "name": name, "args": arguments})
                if message.status == "error":
                    raise AssertionError(message.content)
                return message.artifact["structured_content"]

            async def read(self, uri):
                (blob,) = await load_mcp_resources(session, uris=[uri])
                return blob.as_bytes()

        yield Through()


@asynccontextmanager
async def agents(play):
    from agents.mcp import MCPServerSse, MCPServerStdio, MCPServerStreamableHttp

    if play["transport"] == "stdio":
        server = MCPServerStdio({"command": play["program"], "args": [], "env": play["settings"]})
    else:
        server = {"http": MCPServerStreamableHttp, "sse": MCPServerSse}[play["transport"]]({"url": play["url"]})
    async with server:
        client = OfMcp(server, getattr(server.session, "protocol_version", None) or "")
        # Its default time limit for calls is 5 seconds.
        client.loses_patience = True
        yield client


@asynccontextmanager
async def pydantic_ai(play):
    from fastmcp.client import Client
    from pydantic_ai.mcp import MCPToolset

    async with MCPToolset(Client(fastmcp_transport(play)), tool_error_behavior="error") as toolset:

        class Through(OfMcp):
            async def call(self, name, arguments):
                found = await toolset.direct_call_tool(name, arguments)
                if not isinstance(found, list):
                    return found
                # If a result has links, this client returns the text and the links instead of the structured content.
                text, *links = found
                job = re.search(r"[a-z]+-[a-z2-7]{26}", text)[0]
                view = json.loads(await self.read(f"minimax://jobs/{job}"))
                for file, link in zip(view["files"], links, strict=True):
                    # A link is signed again each time, but leads to the same file.
                    known = {file.get("download_url"), file.get("path") and Path(file["path"]).as_uri()}
                    assert link.partition("?")[0] in {one.partition("?")[0] for one in known if one}, (link, file)
                return view

            async def read(self, uri):
                found = await toolset.read_resource(uri)
                return found.encode() if isinstance(found, str) else found.data

        yield Through(toolset, spoken(toolset.client))


CLIENTS = {
    "Python `mcp` 2": mcp_2,
    "Python `mcp` 2, older protocol": lambda play: mcp_2(play, "legacy"),
    "Python `mcp` 1": mcp_1,
    "FastMCP": fastmcp,
    "LangChain adapters": langchain,
    "OpenAI Agents SDK": agents,
    "Pydantic AI": pydantic_ai,
}


def made(kind, view, transport):
    """The bytes of a job's result: from the path for clients that started the server, from the link for others."""
    assert view["status"] == "succeeded", view
    (file,) = view["files"]
    if transport == "stdio":
        found = Path(file["path"]).read_bytes()
    else:
        assert "path" not in file, "a path of the server's machine"
        found = urllib.request.urlopen(file["download_url"]).read()
    assert hashlib.sha256(found).hexdigest() == file["sha256"], f"{kind}: other bytes than announced"
    assert any(mark in found[:12] for mark in MAGIC[kind]), found[:12]
    return found


async def video(client):
    """Orders a video and waits for it. Returns its view and how the call ended."""
    ask = {"model": "MiniMax-Hailuo-02", "prompt": "A fox walks"}
    if not getattr(client, "loses_patience", False):
        view = await client.call("generate_video", {**ask, "wait_seconds": 1})
        assert view["status"] in ("submitting", "running"), view
        return await collect(client, view["job_id"], 20), "video collected with get_job"
    known = {job["job_id"] for job in (await client.call("list_jobs", {}))["jobs"]}
    try:
        view = await client.call("generate_video", ask)
    except Exception as lost:
        jobs = (await client.call("list_jobs", {}))["jobs"]
        (job,) = [job["job_id"] for job in jobs if job["job_id"] not in known]
        return await collect(client, job, 2), f"video found again after {type(lost).__name__}"
    raise AssertionError(f"the call came back although it takes longer than the client waits: {view}")


async def collect(client, job, wait):
    for _ in range(30):
        view = await client.call("get_job", {"job_id": job, "wait_seconds": wait})
        if view["status"] not in ("submitting", "running"):
            break
    return view


async def run(name, play):
    did, transport = [], play["transport"]
    async with CLIENTS[name](play) as client:
        tools = await client.tools()
        assert TOOLS <= tools, tools
        did.append(f"{len(tools)} tools")
        picture = await client.call("text_to_image", {"prompt": "A fox"})
        pixels = made("image", picture, transport)
        did.append("image")
        made("speech", await client.call("text_to_audio", {"text": "Hello there."}), transport)
        did.append("speech")
        view, how = await video(client)
        made("video", view, transport)
        did.append(how)
        job = json.loads(await client.read(f"minimax://jobs/{view['job_id']}"))
        assert (job["job_id"], job["status"]) == (view["job_id"], "succeeded"), job
        assert await client.read(picture["files"][0]["uri"]) == pixels, "other bytes as a resource"
        did.append("resources")
        return {"did": did, "videos": 1, "protocol": client.protocol}


def root(problem):
    """The first cause that task groups wrap."""
    while isinstance(problem, BaseExceptionGroup):
        problem = problem.exceptions[0]
    return problem


def main():
    name, package, play = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    logging.disable(logging.ERROR)
    try:
        told = asyncio.run(run(name, play))
    except BaseException as problem:  # told by matrix.py
        traceback.print_exc()
        told = {"problem": f"{type(root(problem)).__name__}: {str(root(problem))[:600]}"}
    told["version"] = f"{package} {importlib.metadata.version(package)}"
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
