// Runs the calls of matrix.py with one TypeScript client over one transport. Prints the outcome as a line of JSON.
//
//     node matrix_node.mjs NAME PACKAGE FOLDER '{"transport": …}'
//
// FOLDER is where the packages are installed.

import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const [name, packageName, folder, given] = process.argv.slice(2);
const play = JSON.parse(given);
const require = createRequire(`${folder}/package.json`);
const MAGIC = { image: ["\xff\xd8"], speech: ["ID3", "\xff\xfb", "\xff\xf3"], video: ["ftyp"] };
const TOOLS = ["text_to_image", "text_to_audio", "generate_video", "get_job", "list_jobs"];

function library() {
  if (packageName.endsWith("/client")) return { ...require(packageName), ...require(`${packageName}/stdio`) };
  const parts = ["index", "stdio", "sse", "streamableHttp"];
  return Object.assign({}, ...parts.map((part) => require(`${packageName}/client/${part}.js`)));
}

async function connected() {
  const { Client, StdioClientTransport, SSEClientTransport, StreamableHTTPClientTransport } = library();
  const mode = name.endsWith("older protocol") ? "legacy" : "auto";
  const options = packageName.endsWith("/client") ? { versionNegotiation: { mode } } : {};
  const client = new Client({ name: "matrix", version: "1" }, options);
  const transport =
    play.transport === "stdio"
      ? new StdioClientTransport({ command: play.program, args: [], env: play.settings })
      : play.transport === "sse"
        ? new SSEClientTransport(new URL(play.url))
        : new StreamableHTTPClientTransport(new URL(play.url));
  await client.connect(transport);
  const spoken = client.getNegotiatedProtocolVersion?.() ?? transport.protocolVersion ?? transport._protocolVersion;
  return { client, spoken };
}

async function made(kind, view) {
  assert.equal(view.status, "succeeded", JSON.stringify(view));
  assert.equal(view.files.length, 1);
  const [file] = view.files;
  if (play.transport !== "stdio") assert.equal(file.path, undefined, "a path of the server's machine");
  const bytes =
    play.transport === "stdio"
      ? await readFile(file.path)
      : Buffer.from(await (await fetch(file.download_url)).arrayBuffer());
  assert.equal(createHash("sha256").update(bytes).digest("hex"), file.sha256, `${kind}: other bytes than announced`);
  const start = bytes.subarray(0, 12).toString("latin1");
  assert(MAGIC[kind].some((mark) => start.includes(mark)), JSON.stringify(start));
  return bytes;
}

async function run() {
  const { client, spoken } = await connected();
  const call = async (tool, args) => {
    const result = await client.callTool({ name: tool, arguments: args });
    assert(!result.isError, result.content[0]?.text);
    return result.structuredContent;
  };
  const read = async (uri) => {
    const [one] = (await client.readResource({ uri })).contents;
    return one.text === undefined ? Buffer.from(one.blob, "base64") : Buffer.from(one.text);
  };
  const { tools } = await client.listTools();
  for (const tool of TOOLS) assert(tools.some((one) => one.name === tool), `no ${tool}`);
  const did = [`${tools.length} tools`];
  const picture = await call("text_to_image", { prompt: "A fox" });
  const pixels = await made("image", picture);
  did.push("image");
  await made("speech", await call("text_to_audio", { text: "Hello there." }));
  did.push("speech");
  const ask = { model: "MiniMax-Hailuo-02", prompt: "A fox walks", wait_seconds: 1 };
  let view = await call("generate_video", ask);
  assert(["submitting", "running"].includes(view.status), JSON.stringify(view));
  for (let round = 0; round < 10 && ["submitting", "running"].includes(view.status); round++) {
    view = await call("get_job", { job_id: view.job_id, wait_seconds: 20 });
  }
  await made("video", view);
  did.push("video collected with get_job");
  const job = JSON.parse(await read(`minimax://jobs/${view.job_id}`));
  assert.deepEqual([job.job_id, job.status], [view.job_id, "succeeded"]);
  assert(pixels.equals(await read(picture.files[0].uri)), "other bytes as a resource");
  did.push("resources");
  await client.close();
  return { did, videos: 1, protocol: spoken ?? "" };
}

const version = JSON.parse(await readFile(`${folder}/node_modules/${packageName}/package.json`)).version;
const told = await run().catch((problem) => {
  console.error(problem);
  return { problem: `${problem?.name}: ${problem?.message}`.slice(0, 600) };
});
console.log(JSON.stringify({ ...told, version: `${packageName.split("/")[1]} ${version}` }));
process.exit(0);
