// JSON-RPC with the host, over postMessage (MCP Apps, revision 2026-01-26).

const waiting = new Map();
// Handlers of the host's messages, by method.
const receive = {};
let lastId = 0;

const post = (message) => window.parent.postMessage({ jsonrpc: "2.0", ...message }, "*");
const notify = (method, params = {}) => post({ method, params });

/** Sends a request to the host. Rejects if the host refuses it or does not answer in time. */
const ask = (method, params, patience = 60_000) => new Promise((resolve, reject) => {
  const id = ++lastId;
  const timer = setTimeout(() => settle(id, { error: { message: "no answer" } }), patience);
  waiting.set(id, { resolve, reject, timer });
  post({ id, method, params });
});

const settle = (id, { result, error }) => {
  const one = waiting.get(id);
  if (!one) return;
  waiting.delete(id);
  clearTimeout(one.timer);
  if (error) one.reject(new Error(String(error.message)));
  else one.resolve(result ?? {});
};

window.addEventListener("message", (event) => {
  const message = event.data;
  if (event.source !== window.parent || message?.jsonrpc !== "2.0") return;
  if (message.method === undefined) return settle(message.id, message);
  const known = Object.hasOwn(receive, message.method);
  const result = known ? receive[message.method](message.params ?? {}) : undefined;
  if (message.id === undefined) return;
  if (known) post({ id: message.id, result: result ?? {} });
  else post({ id: message.id, error: { code: -32601, message: "unknown method" } });
});

receive.ping = () => ({});

/** Tells the host the height of the content, whenever it changes. */
const reportSize = () => {
  let width = 0, height = 0, due = false;
  const measure = () => {
    due = false;
    const root = document.documentElement, before = root.style.height;
    root.style.height = "max-content";
    const [newWidth, newHeight] = [Math.ceil(window.innerWidth), Math.ceil(root.getBoundingClientRect().height)];
    root.style.height = before;
    if (newWidth === width && newHeight === height) return;
    [width, height] = [newWidth, newHeight];
    notify("ui/notifications/size-changed", { width, height });
  };
  const observer = new ResizeObserver(() => {
    if (!due) requestAnimationFrame(measure);
    due = true;
  });
  observer.observe(document.documentElement);
  observer.observe(document.body);
};
