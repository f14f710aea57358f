// A host for MCP Apps: the official bridge, with a client of the official SDK, in a web page. viewer.mjs bundles it, opens
// it in Chromium, and passes it what to show.

import { AppBridge, PostMessageTransport, getToolUiResourceUri } from "@modelcontextprotocol/ext-apps/app-bridge";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const MIME_TYPE = "text/html;profile=mcp-app";
const IMPLEMENTATION = { name: "viewer-test", version: "1.0.0" };

/** Connects to the server, as a host that shows apps or as one that does not. */
const connect = async ({ url, token, declares, era }) => {
  const extensions = declares ? { "io.modelcontextprotocol/ui": { mimeTypes: [MIME_TYPE] } } : undefined;
  const options = { capabilities: extensions ? { extensions } : {}, versionNegotiation: { mode: era } };
  const client = new Client(IMPLEMENTATION, options);
  const headers = { Authorization: `Bearer ${token}` };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
  const { tools } = await client.listTools();
  return { client, tools };
};

/** What the view asked of the host. */
const heard = { links: [], messages: [], downloads: [], sizes: [] };
let bridge, session, frame;

const ready = (proxy) => new Promise((resolve) => {
  window.addEventListener("message", function listener({ source, data }) {
    if (source !== proxy.contentWindow || data?.method !== "ui/notifications/sandbox-proxy-ready") return;
    window.removeEventListener("message", listener);
    resolve();
  });
});

/** Opens the view of a tool in two frames, the outer of another origin, as the specification asks for. */
const open = async ({ tool, proxy, policy, context, capabilities, refuses }) => {
  for (const list of Object.values(heard)) list.length = 0;
  const { client, tools } = session;
  const uri = getToolUiResourceUri(tools.find((one) => one.name === tool));
  const { contents } = await client.readResource({ uri });
  if (contents.length !== 1 || contents[0].mimeType !== MIME_TYPE) throw new Error("no page of MCP Apps");
  frame?.remove();
  document.documentElement.style.colorScheme = context.theme;
  frame = document.createElement("iframe");
  frame.id = "view";
  frame.setAttribute("sandbox", "allow-scripts allow-same-origin allow-forms");
  const proxied = ready(frame);
  frame.src = `${proxy}/proxy?policy=${policy}`;
  document.body.append(frame);
  await proxied;
  bridge = new AppBridge(client, IMPLEMENTATION, capabilities, { hostContext: context });
  const answer = refuses ? { isError: true } : {};
  bridge.onopenlink = async (params) => (heard.links.push(params.url), answer);
  bridge.onmessage = async (params) => (heard.messages.push(params), answer);
  bridge.ondownloadfile = async (params) => (heard.downloads.push(params), answer);
  bridge.onsizechange = ({ height }) => {
    heard.sizes.push(height);
    frame.style.height = `${height}px`;
  };
  const initialized = new Promise((resolve) => { bridge.oninitialized = resolve; });
  await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
  await bridge.sendSandboxResourceReady({ html: contents[0].text, csp: contents[0]._meta?.ui?.csp });
  await initialized;
};

window.host = {
  heard,
  connect: async (options) => {
    session = await connect(options);
    return { tools: session.tools, revision: session.client.getNegotiatedProtocolVersion?.() };
  },
  resources: async () => (await session.client.listResources()).resources.map((one) => one.uri),
  read: async (uri) => session.client.readResource({ uri }).then(() => true, () => false),
  open,
  /** Calls a tool and hands arguments and result to the view, as a host does. */
  call: async (name, args) => {
    await bridge.sendToolInput({ arguments: args });
    const result = await session.client.callTool({ name, arguments: args });
    await bridge.sendToolResult(result);
    return result;
  },
  input: (args) => bridge.sendToolInput({ arguments: args }),
  result: (result) => bridge.sendToolResult(result),
  cancel: () => bridge.sendToolCancelled({ reason: "the user stopped it" }),
  context: (changed) => bridge.sendHostContextChange(changed),
  close: () => bridge.teardownResource({}),
};
