// Plays the viewer in Chromium, inside a host with the official bridge of MCP Apps (viewer_host.js). Prints a line of JSON
// for each check.
//
//     node viewer.mjs FOLDER '{"url": …}'
//
// FOLDER is where the packages are installed.

import { strict as assert } from "node:assert";
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";

const [folder, given] = process.argv.slice(2);
const play = JSON.parse(given);
const require = createRequire(`${folder}/package.json`);
const esbuild = require("esbuild");
const { chromium } = require("playwright-core");
const axe = require("axe-core").source;

// The policies that the inner page gets: the strictest that the specification asks for, and that of the example host.
const POLICIES = {
  strict: "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
    "media-src 'self' data:; connect-src 'none'; frame-src 'none'; object-src 'none'; base-uri 'self'",
  example: "default-src 'self' 'unsafe-inline' 'unsafe-eval'; img-src 'self' data: blob:; media-src 'self' data: blob:; connect-src 'self'; " +
    "frame-src 'none'; object-src 'none'; base-uri 'none'",
};

const PROXY = `<!doctype html><style>html, body { margin: 0; height: 100%; } iframe { width: 100%; height: 100%; border: 0; }</style>
<body><script>
const origin = new URL(document.referrer).origin;
const inner = document.createElement("iframe");
inner.setAttribute("sandbox", "allow-scripts allow-same-origin allow-forms");
document.body.append(inner);
addEventListener("message", ({ source, data, origin: from }) => {
  if (source === parent && from === origin) {
    if (data.method !== "ui/notifications/sandbox-resource-ready") return inner.contentWindow.postMessage(data, "*");
    inner.contentDocument.open();
    inner.contentDocument.write(data.params.html);
    inner.contentDocument.close();
  } else if (source === inner.contentWindow) parent.postMessage(data, origin);
});
parent.postMessage({ jsonrpc: "2.0", method: "ui/notifications/sandbox-proxy-ready", params: {} }, origin);
</script>`;

const HOST = `<!doctype html><meta charset="utf-8"><style>
body { margin: 16px; font: 15px system-ui; background: light-dark(#fff, #262624); }
#view { display: block; width: 100%; height: 60px; border: 1px solid #8885; border-radius: 12px; }
</style><body><script type="module" src="/host.js"></script>`;

const DARK = {
  theme: "dark",
  locale: "en-US",
  styles: {
    variables: {
      "--color-background-primary": "light-dark(#ffffff, #30302e)",
      "--color-text-primary": "light-dark(#141413, #faf9f5)",
      "--font-sans": "DejaVu Sans, sans-serif",
    },
  },
};
const LIGHT = { theme: "light", locale: "en-US" };
const EVERYTHING = { openLinks: {}, message: { text: {} }, downloadFile: {}, serverTools: {}, serverResources: {} };

const bundle = await esbuild.build({
  entryPoints: [play.host], bundle: true, format: "esm", write: false, nodePaths: [`${folder}/node_modules`], logLevel: "silent",
});

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://host");
  const [type, body] = { "/": ["text/html", HOST], "/proxy": ["text/html", PROXY],
    "/host.js": ["text/javascript", bundle.outputFiles[0].text] }[pathname] ?? [];
  const policy = pathname === "/proxy" ? { "content-security-policy": POLICIES[searchParams.get("policy")] } : {};
  response.writeHead(body ? 200 : 404, { "content-type": `${type ?? "text/plain"}; charset=utf-8`, ...policy }).end(body);
});
await new Promise((resolve) => { server.listen(0, "127.0.0.1", resolve); });
const { port } = server.address();
const proxy = `http://127.0.0.1:${port}`;

const root = process.getuid?.() === 0;
const browser = await chromium.launch({
  executablePath: play.chromium, chromiumSandbox: !root, args: ["--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server"],
});

const checks = [];
const check = (name, quick, work) => checks.push({ name, quick, work });

/** A page with the host in it, and the view inside. */
class Stage {
  static async open({ declares = true, era = "auto", width = 720 } = {}) {
    const stage = new Stage();
    stage.page = await browser.newPage({ viewport: { width, height: 900 } });
    stage.faults = [];
    stage.page.on("pageerror", (error) => stage.faults.push(String(error)));
    stage.requests = [];
    stage.page.on("request", (request) => {
      if (request.frame().parentFrame()?.parentFrame()) stage.requests.push(request.url());
    });
    await stage.page.goto(`http://localhost:${port}/`);
    await stage.page.waitForFunction(() => window.host);
    stage.found = await stage.ask("connect", { url: `${play.url}/mcp`, token: play.token, declares, era });
    stage.view = stage.page.frameLocator("#view").frameLocator("iframe");
    return stage;
  }

  ask(name, ...given) {
    return this.page.evaluate(([name, given]) => window.host[name](...given), [name, given]);
  }

  heard() {
    return this.page.evaluate(() => window.host.heard);
  }

  async show(tool, { policy = "example", context = LIGHT, capabilities = EVERYTHING, refuses = false } = {}) {
    await this.ask("open", { tool, proxy, policy, context, capabilities, refuses });
  }

  state() {
    return this.view.locator(".state").first();
  }

  async ends(state) {
    await this.view.locator(`.state[data-state="${state}"]`).first().waitFor({ timeout: 30_000 });
  }

  async picture(name) {
    if (!play.pictures) return;
    await this.page.waitForTimeout(400);
    await this.page.locator("#view").screenshot({ path: `${play.pictures}/viewer-${name}.png` });
  }

  /** Nothing that axe-core calls serious or worse. */
  async isAccessible() {
    const found = await this.view.locator("html").evaluate(async (html, source) => {
      new Function(source)();
      const { violations } = await window.axe.run(html.ownerDocument);
      return violations.filter((one) => ["serious", "critical"].includes(one.impact))
        .map((one) => `${one.id}: ${one.nodes.map((node) => node.html).join(" ")}`);
    }, axe);
    assert.deepEqual(found, []);
  }

  /** A player really decodes: its time goes on. */
  async plays(kind) {
    const player = this.view.locator(kind);
    await player.waitFor({ timeout: 20_000 });
    const reached = await player.evaluate(async (element) => {
      element.muted = true;
      await element.play();
      for (let tries = 0; tries < 100 && element.currentTime < 0.3; tries++) {
        await new Promise((resolve) => { setTimeout(resolve, 100); });
      }
      element.pause();
      return { time: element.currentTime, length: element.duration, width: element.videoWidth };
    });
    assert(reached.time >= 0.3, `${kind}: ${JSON.stringify(reached)}`);
    return reached;
  }

  async shows(image = 0) {
    const picture = this.view.locator("figure img").nth(image);
    await picture.waitFor({ timeout: 20_000 });
    const width = await picture.evaluate((element) => element.naturalWidth);
    assert(width > 0, "the picture has no pixels");
  }

  async close() {
    const outside = this.requests.filter((url) => !/^(blob|data|about):/.test(url));
    assert.deepEqual(outside, [], "requests of the view");
    assert.deepEqual(this.faults, [], "errors of the page");
    await this.page.close();
  }
}

const until = async (what, test) => {
  for (let tries = 0; tries < 100; tries++) {
    const found = await test();
    if (Array.isArray(found) ? found.length > 0 : found) return found;
    await new Promise((resolve) => { setTimeout(resolve, 100); });
  }
  throw new Error(`never: ${what}`);
};

const structured = (result) => result.structuredContent;

for (const era of ["legacy", "auto"]) {
  check(`a host that declares nothing (${era})`, era === "auto", async () => {
    const stage = await Stage.open({ declares: false, era });
    assert(stage.found.tools.length > 20 && !JSON.stringify(stage.found.tools).includes("ui://"));
    assert(!(await stage.ask("resources")).some((uri) => uri.startsWith("ui://")));
    assert.equal(await stage.ask("read", "ui://minimax/job"), false);
    await stage.close();
  });

  for (const policy of Object.keys(POLICIES)) {
    const quick = era === "auto" ? policy === "strict" : policy === "example";
    check(`a picture, dark (${era}, ${policy} policy)`, quick, async () => {
      const stage = await Stage.open({ era });
      assert((await stage.ask("resources")).includes("ui://minimax/job"));
      await stage.show("text_to_image", { policy, context: DARK });
      const prompt = "A fox at dawn, watercolour, soft light";
      const result = structured(await stage.ask("call", "text_to_image", { prompt, n: 2 }));
      await stage.ends("succeeded");
      await stage.shows(0);
      await stage.shows(1);
      await stage.picture(`image-dark-${policy}`);
      if (policy === "example") await stage.isAccessible();
      const [colour, font] = await stage.view.locator("body").evaluate((body) =>
        [getComputedStyle(body).backgroundColor, getComputedStyle(body).fontFamily]);
      assert.equal(colour, "rgb(48, 48, 46)");
      assert(font.startsWith("DejaVu Sans") || font.startsWith('"DejaVu Sans"'), font);
      const text = await stage.view.locator("main").innerText();
      assert(text.includes(prompt) && text.includes("Cost"), text);

      const figure = stage.view.locator("figure").first();
      await figure.getByRole("button", { name: "Make a video from it" }).click();
      await figure.getByText("Sent to the chat.").waitFor();
      const [message] = (await stage.heard()).messages;
      assert.equal(message.role, "user");
      assert(message.content[0].text.includes(result.files[0].uri) && message.content[0].text.includes("first_frame_image"));
      await figure.getByRole("button", { name: "Download" }).click();
      const [download] = await until("a download", async () => (await stage.heard()).downloads);
      const { blob, uri, mimeType } = download.contents[0].resource;
      const sha = createHash("sha256").update(Buffer.from(blob, "base64")).digest("hex");
      assert.deepEqual([sha, mimeType], [result.files[0].sha256, result.files[0].mime_type]);
      assert(/^file:\/\/\/[^/]+$/.test(uri), uri);
      await figure.getByRole("button", { name: "Open in browser" }).click();
      const [link] = await until("a link", async () => (await stage.heard()).links);
      assert.equal(link, result.files[0].download_url);

      const heights = (await stage.heard()).sizes;
      assert(heights.length > 0 && heights.at(-1) > 200, `heights ${heights}`);
      const overflows = await stage.view.locator("html").evaluate((html) =>
        html.scrollHeight > html.clientHeight || html.scrollWidth > html.clientWidth);
      assert.equal(overflows, false, "the frame is as large as its content");
      await stage.ask("context", { theme: "light" });
      await until("the light theme", () => stage.view.locator("body").evaluate((body) =>
        getComputedStyle(body).backgroundColor === "rgb(255, 255, 255)"));
      await stage.ask("close");
      await stage.close();
    });
  }
}

check("a sound plays", true, async () => {
  const stage = await Stage.open();
  await stage.show("text_to_audio", { policy: "strict" });
  await stage.ask("call", "text_to_audio", { text: "Good evening, and welcome. ".repeat(20) });
  await stage.ends("succeeded");
  await stage.plays("audio");
  await stage.picture("audio-light");
  await stage.close();
});

check("a video that is made while the page watches", true, async () => {
  const stage = await Stage.open();
  await stage.show("generate_video", { context: DARK });
  const started = structured(await stage.ask("call", "generate_video", {
    prompt: "A fox runs through snow", model: "MiniMax-Hailuo-02", wait_seconds: 1,
  }));
  assert(["submitting", "running"].includes(started.status), JSON.stringify(started));
  await stage.view.getByRole("progressbar").waitFor();
  await stage.view.getByText("so far").waitFor();
  await stage.picture("video-running-dark");
  await stage.isAccessible();
  await stage.ends("succeeded");
  const { width, length } = await stage.plays("video");
  assert(width > 0 && length > 1);
  assert.equal(await stage.view.getByRole("progressbar").count(), 0, "no bar at the end");
  await stage.picture("video-dark");
  await stage.close();
});

check("a job that fails", true, async () => {
  const stage = await Stage.open();
  await stage.show("generate_video");
  await stage.ask("call", "generate_video", { prompt: "A fox #failtask", model: "MiniMax-Hailuo-02", wait_seconds: 1 });
  await stage.ends("failed");
  assert((await stage.view.getByRole("alert").innerText()).length > 20);
  await stage.picture("failed-light");
  await stage.isAccessible();
  await stage.show("text_to_image");
  await stage.ask("call", "text_to_image", { prompt: "A fox", aspect_ratio: "7:5" });
  await stage.ends("failed");
  assert((await stage.view.getByRole("alert").innerText()).includes("aspect_ratio"));
  await stage.close();
});

check("texts from outside stay texts", true, async () => {
  const stage = await Stage.open();
  const evil = `</p></script><img src=x onerror="window.hacked=1"><script>window.hacked=1</script><b>bold</b>`;
  await stage.show("text_to_image", { policy: "example" });
  await stage.ask("input", { prompt: evil });
  await stage.ask("result", { content: [], structuredContent: {
    job_id: evil, kind: evil, model: evil, status: "succeeded", text: evil, voice_id: evil, next: evil, warnings: [evil],
    error: { message: evil, kind: "constructor" }, cost: { currency: evil, actual: 1, basis: evil },
    files: [
      { uri: `minimax://files/a/${evil}`, path: `/tmp/${evil}`, mime_type: "image/png", url: `javascript:window.hacked=1//${evil}` },
      { uri: "minimax://files/a/b", mime_type: `text/html"${evil}`, download_url: "data:text/html,<script>window.hacked=1</script>" },
    ],
  } });
  await stage.ends("succeeded");
  await stage.page.waitForTimeout(500);
  const found = await stage.view.locator("html").evaluate(() => ({
    hacked: window.hacked ?? null, bold: document.querySelectorAll("b").length, scripts: document.scripts.length,
    images: [...document.images].map((image) => image.getAttribute("src")), text: document.querySelector(".prompt").textContent,
  }));
  assert.deepEqual(found, { hacked: null, bold: 0, scripts: 1, images: [], text: evil });
  assert.equal(await stage.view.getByRole("button", { name: "Open in browser" }).count(), 0, "no link that is not http");
  await stage.close();
});

check("a file of many megabytes comes in parts, a larger one as a link", false, async () => {
  const stage = await Stage.open();
  await stage.show("text_to_audio", { policy: "strict" });
  const result = structured(await stage.ask("call", "text_to_audio", {
    text: "Good evening, and welcome to the show. ".repeat(14), format: "wav", sample_rate: 44100, channel: 2,
  }));
  await stage.ends("succeeded");
  assert(result.files[0].bytes > 4 * 1024 * 1024, `${result.files[0].bytes} bytes`);
  const { length } = await stage.plays("audio");
  assert(Math.abs(length * 1000 - result.files[0].duration_ms) < 500, `${length} s`);
  await stage.show("generate_video");
  const link = "https://example.com/large.mp4";
  await stage.ask("result", { content: [], structuredContent: {
    job_id: "a", kind: "video", status: "succeeded", next: "",
    files: [{ uri: "minimax://files/a/b", mime_type: "video/mp4", bytes: 90_000_000, download_url: link }],
  } });
  await stage.view.getByText("90 MB is too large to show here.").waitFor();
  await stage.view.getByRole("button", { name: "Open in browser" }).click();
  assert.deepEqual(await until("a link", async () => (await stage.heard()).links), [link]);
  await stage.close();
});

check("Chinese, on a phone", true, async () => {
  const stage = await Stage.open({ width: 360 });
  await stage.show("text_to_image", { context: { ...LIGHT, locale: "zh-CN" } });
  await stage.ask("call", "text_to_image", { prompt: "黎明时分的狐狸，水彩画" });
  await stage.ends("succeeded");
  await stage.shows();
  assert.equal(await stage.view.locator("html").getAttribute("lang"), "zh");
  await stage.view.getByRole("button", { name: "用它制作视频" }).click();
  await stage.view.getByText("已发送到对话。").waitFor();
  assert.equal(await stage.state().innerText(), "已完成");
  await stage.picture("chinese-phone");
  await stage.close();
});

check("several jobs in one result", false, async () => {
  const stage = await Stage.open();
  await stage.show("get_job", { context: DARK });
  const ids = [];
  for (const prompt of ["A fox", "A hare #failtask"]) {
    const made = { prompt, model: "MiniMax-Hailuo-02", wait_seconds: 0 };
    await stage.show("generate_video");
    ids.push(structured(await stage.ask("call", "generate_video", made)).job_id);
  }
  await stage.show("get_job", { context: DARK });
  await stage.ask("call", "get_job", { job_ids: ids, wait_seconds: 0 });
  await until("both ended", async () => {
    const states = await stage.view.locator(".state").evaluateAll((all) => all.map((one) => one.dataset.state));
    return states.join() === "succeeded,failed";
  });
  await stage.plays("video");
  await stage.picture("several-dark");
  await stage.close();
});

check("a host that can do little, and one that refuses", false, async () => {
  const stage = await Stage.open();
  await stage.show("generate_video", { capabilities: {} });
  const started = structured(await stage.ask("call", "generate_video", {
    prompt: "A fox", model: "MiniMax-Hailuo-02", wait_seconds: 0,
  }));
  await stage.view.getByText(`Ask in the chat for job ${started.job_id}.`).waitFor();
  await stage.show("text_to_image", { capabilities: {}, refuses: true });
  await stage.ask("call", "text_to_image", { prompt: "A fox" });
  await stage.view.getByText("The file cannot be shown here.").waitFor();
  assert.equal(await stage.view.getByRole("button", { name: "Download" }).count(), 0);
  await stage.view.getByRole("button", { name: "Open in browser" }).click();
  await stage.view.getByText("The host did not open the link: http").waitFor();
  await stage.view.getByRole("button", { name: "Make a video from it" }).click();
  await stage.view.getByText("The host did not allow it.").waitFor();
  await stage.show("text_to_image");
  await stage.ask("input", { prompt: "A fox" });
  await stage.ask("cancel");
  await stage.view.getByText("The call was cancelled in the chat.").waitFor();
  await stage.close();
});

const left = checks.filter(({ quick }) => quick || !play.quick);
const worker = async () => {
  for (let next = left.shift(); next; next = left.shift()) {
    const start = Date.now();
    let problem;
    try {
      await next.work();
    } catch (error) {
      problem = String(error?.message ?? error);
    }
    console.log(JSON.stringify({ name: next.name, problem, seconds: (Date.now() - start) / 1000 }));
  }
};
// A check mostly waits, so a few run in parallel.
await Promise.all([worker(), worker(), worker()]);
await browser.close();
server.close();
