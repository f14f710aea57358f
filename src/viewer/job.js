// Draws jobs, follows those that run, and offers what can be done with their files. Everything that comes from outside
// becomes text nodes, never markup.

const OPEN = ["submitting", "running"];
// Seconds that one get_job waits: well below the patience of hosts.
const WAIT = 25;

let host = {}, context = {}, words = WORDS.en, input = {}, ended = false, following = false;
const cards = new Map();

const isWord = (name) => typeof name === "string" && Object.hasOwn(words, name);

const say = (name, values = {}) =>
  words[name].replace(/\{(\w+)\}/g, (all, key) => String(values[key] ?? all));

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
};

const setText = (element, text) => {
  element.hidden = !text;
  if (element.textContent !== text) element.textContent = text ?? "";
};

const clock = (seconds) => {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
};

const size = (bytes) => {
  const units = ["B", "KB", "MB", "GB"];
  let value = bytes, unit = 0;
  while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
};

const money = (amount, currency) => {
  try {
    const style = { style: "currency", currency, maximumFractionDigits: 4 };
    return new Intl.NumberFormat(context.locale, style).format(amount);
  } catch {
    return `${amount} ${currency}`;
  }
};

const costOf = ({ cost, status }) => {
  // A job that failed or was cancelled may have cost nothing, so its estimate is not shown.
  const isOver = ["failed", "cancelled"].includes(status);
  const known = cost?.actual ?? (isOver ? undefined : cost?.estimated);
  if (known === undefined) return "";
  const amount = money(known, cost.currency);
  const note = /sandbox/.test(cost.basis ?? "") ? " (sandbox)" : "";
  return `${say("cost")}: ${cost.actual === undefined ? say("about", { amount }) : amount}${note}`;
};

const nameOf = (file) => (file.path ?? file.uri).split(/[/\\]/).pop();

const factsOf = (file) => [
  nameOf(file),
  file.width && file.height ? `${file.width} × ${file.height}` : "",
  file.duration_ms ? clock(file.duration_ms / 1000) : "",
  file.bytes ? size(file.bytes) : "",
].filter(Boolean).join(" · ");

/** A link to a file that a browser can open: the server's, or MiniMax's while it lasts. */
const linkOf = (file) => {
  const lasts = !file.url_expires_at || Date.parse(file.url_expires_at) > Date.now();
  const link = file.download_url ?? (lasts ? file.url : undefined);
  return /^https?:\/\//.test(link ?? "") ? link : undefined;
};

/** The click handler of a button: does its work, and shows whether the host allowed it. */
const act = (button, note, work, done, refused) => async () => {
  button.disabled = true;
  try {
    const { isError } = await work();
    setText(note, isError ? refused : done);
  } catch {
    setText(note, refused);
  }
  button.disabled = false;
};

const figureOf = (file, title) => {
  const kind = mediaKind(file);
  const place = make("div", { class: "place" }, say("loading"));
  const actions = make("div", { class: "actions" });
  const note = make("p", { class: "quiet", role: "status" });
  note.hidden = true;
  const caption = make("figcaption", { title: file.path ?? file.uri }, factsOf(file));
  const figure = make("figure", {}, place, caption, actions, note);
  const one = { figure, file, blob: undefined };
  const button = (word, work, done = "", refused = say("refused")) => {
    const made = make("button", { type: "button" }, say(word));
    made.addEventListener("click", act(made, note, work, done, refused));
    actions.append(made);
  };
  const buttons = () => {
    actions.replaceChildren();
    const link = linkOf(one.file);
    if (host.downloadFile && host.serverResources && (one.file.bytes ?? 0) <= LARGEST) {
      button("download", async () => {
        one.blob ??= await readFile(one.file, () => {});
        const blob = (await dataUrl(one.blob)).split(",")[1];
        const resource = { uri: `file:///${encodeURIComponent(nameOf(file))}`, mimeType: file.mime_type, blob };
        return ask("ui/download-file", { contents: [{ type: "resource", resource }] });
      });
    }
    if (link) button("open", () => ask("ui/open-link", { url: link }), "", say("refused_link", { url: link }));
    if (kind === "image") {
      const text = say("make_video_message", { uri: file.uri });
      button("make_video", () => ask("ui/message", { role: "user", content: [{ type: "text", text }] }), say("sent"));
    }
  };
  const load = async () => {
    buttons();
    if (!kind || !host.serverResources) return setText(place, kind ? say("not_shown") : "");
    if ((file.bytes ?? 0) > LARGEST) return setText(place, say("too_large", { size: size(file.bytes) }));
    const progress = (done) => setText(place, say("loading_part", { done: size(done), all: size(file.bytes) }));
    const shown = kind === "image" ? make("img", { alt: title }) : make(kind, { controls: "", preload: "metadata" });
    if (kind !== "image") shown.setAttribute("aria-label", title);
    if (kind === "video") shown.setAttribute("playsinline", "");
    try {
      one.blob = await readFile(file, progress);
      const presented = present(shown, one.blob);
      // Media that is not in the document may not load.
      place.after(shown);
      await presented;
      place.remove();
    } catch {
      shown.remove();
      setText(place, say("not_shown"));
    }
  };
  load();
  one.update = (newer) => {
    one.file = newer;
    setText(caption, factsOf(newer));
    buttons();
  };
  return one;
};

const newCard = () => {
  const parts = {
    title: make("h1"), model: make("span", { class: "quiet" }), state: make("span", { class: "state", role: "status" }),
    prompt: make("p", { class: "prompt" }), bar: make("div", { class: "bar", role: "progressbar" }),
    elapsed: make("p", { class: "quiet" }), files: make("div", { class: "files" }), text: make("p", { class: "text", tabindex: "0" }),
    voice: make("p"), error: make("div", { class: "error", role: "alert" }), warnings: make("ul", { class: "warnings quiet" }),
    cost: make("p", { class: "quiet" }), note: make("p", { class: "quiet", role: "status" }),
  };
  const { title, model, state, ...rest } = parts;
  const element = make("article", { class: "job" }, make("div", { class: "head" }, title, model, state), ...Object.values(rest));
  document.querySelector("main").append(element);
  return { ...parts, element, figures: new Map(), since: Date.now(), view: {} };
};

const promptOf = (view) => (view.job_id && cards.size > 1 ? "" : input.prompt ?? input.text ?? input.lyrics ?? "");

const draw = (card, view) => {
  card.view = view;
  const started = Date.parse(view.created_at ?? "");
  // The server's clock may differ from this one.
  if (started <= Date.now() && started > Date.now() - 86_400_000) card.since = started;
  const status = view.status ?? (view.error ? "failed" : view.cost ? "dry_run" : view.text ? "succeeded" : "waiting");
  const open = OPEN.includes(status) || status === "waiting";
  const kind = isWord(view.kind) ? say(view.kind) : context.toolInfo?.tool?.title ?? say("result");
  setText(card.title, kind);
  setText(card.model, view.model);
  setText(card.state, isWord(status) ? say(status) : status);
  card.state.dataset.state = status;
  setText(card.prompt, typeof promptOf(view) === "string" ? promptOf(view) : "");
  card.bar.hidden = !open;
  card.bar.setAttribute("aria-label", card.state.textContent);
  card.elapsed.hidden = !open;
  setText(card.text, view.text);
  setText(card.voice, view.voice_id ? `${say("voice_id")}: ${view.voice_id}` : "");
  card.error.hidden = !view.error;
  if (view.error) {
    const who = isWord(view.error.kind) ? say(view.error.kind) : "";
    card.error.replaceChildren(make("p", {}, view.error.message ?? ""), make("p", { class: "quiet" }, who));
  }
  card.warnings.hidden = !view.warnings?.length;
  card.warnings.replaceChildren(...(view.warnings ?? []).map((warning) => make("li", {}, warning)));
  setText(card.cost, costOf(view));
  card.files.hidden = !view.files?.length;
  for (const file of view.files ?? []) {
    const known = card.figures.get(file.uri);
    if (known) known.update(file);
    // A file of a running job may still be incomplete.
    else if (!open) {
      const title = [kind, card.prompt.textContent].filter(Boolean).join(": ").slice(0, 200);
      const made = figureOf(file, title);
      card.figures.set(file.uri, made);
      card.files.append(made.figure);
    }
  }
};

const tick = () => {
  for (const card of cards.values()) {
    if (card.elapsed.hidden) continue;
    const time = clock((Date.now() - card.since) / 1000);
    setText(card.elapsed, card.view.job_id ? `${say("elapsed", { time })} · ${say("continues")}` : say("elapsed", { time }));
  }
};

const textOf = (result) => (result.content ?? []).filter((block) => block.type === "text").map((block) => block.text).join("\n");

const show = (result) => {
  const answer = result.structuredContent ?? (result.isError ? { error: { message: textOf(result) } } : { text: textOf(result) });
  const views = answer.jobs?.length ? answer.jobs : [answer];
  const first = cards.get("");
  cards.delete("");
  for (const [place, view] of views.entries()) {
    const key = view.job_id ?? `#${place}`;
    if (!cards.has(key)) cards.set(key, place === 0 && first ? first : newCard());
  }
  for (const [place, view] of views.entries()) draw(cards.get(view.job_id ?? `#${place}`), view);
  tick();
  follow();
};

const pause = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

/** Polls the open jobs until all have ended. */
const follow = async () => {
  if (following || ended) return;
  following = true;
  for (let failures = 0; !ended; ) {
    const open = [...cards.values()].map((card) => card.view).filter((view) => view.job_id && OPEN.includes(view.status));
    const ids = open.map((view) => view.job_id).slice(0, 20);
    if (ids.length === 0) break;
    if (!host.serverTools || failures === 3) {
      for (const id of ids) {
        const { note, bar, elapsed } = cards.get(id);
        setText(note, say("not_followed", { id }));
        bar.hidden = elapsed.hidden = true;
      }
      break;
    }
    const one = ids.length === 1 ? { job_id: ids[0] } : { job_ids: ids };
    const asked = Date.now();
    try {
      const result = await ask("tools/call", { name: "get_job", arguments: { ...one, wait_seconds: WAIT } }, 90_000);
      const jobs = result.structuredContent?.jobs ?? [result.structuredContent ?? {}];
      if (!jobs.some((job) => job.status)) throw new Error("no job");
      show(result);
      failures = 0;
      // A host may cut the wait short.
      if (Date.now() - asked < 2000) await pause(2000);
    } catch {
      failures += 1;
      await pause(3000);
    }
  }
  following = false;
};

const adopt = (changed) => {
  context = { ...context, ...changed };
  const root = document.documentElement;
  if (context.theme === "light" || context.theme === "dark") {
    root.dataset.theme = context.theme;
    root.style.colorScheme = context.theme;
  }
  for (const [name, value] of Object.entries(changed.styles?.variables ?? {})) {
    if (name.startsWith("--") && typeof value === "string") root.style.setProperty(name, value);
  }
  const fonts = changed.styles?.css?.fonts;
  if (typeof fonts === "string" && !document.getElementById("fonts")) document.head.append(make("style", { id: "fonts" }, fonts));
  const tallest = context.containerDimensions?.maxHeight ?? context.containerDimensions?.height;
  if (tallest > 0) root.style.setProperty("--tallest", `${Math.max(160, Math.min(420, tallest - 180))}px`);
};

receive["ui/notifications/tool-input"] = (params) => {
  input = params.arguments ?? {};
  for (const card of cards.values()) draw(card, card.view);
};
receive["ui/notifications/tool-result"] = show;
receive["ui/notifications/tool-cancelled"] = () => {
  const card = cards.get("");
  if (!card) return;
  draw(card, { status: "cancelled" });
  setText(card.note, say("call_cancelled"));
};
receive["ui/notifications/host-context-changed"] = adopt;
receive["ui/resource-teardown"] = () => {
  ended = true;
  document.querySelectorAll("audio, video").forEach((player) => player.pause());
};

const chinese = (locale) => /^zh\b/i.test(locale ?? "");

const start = async () => {
  if (window.parent === window) {
    document.querySelector("main").textContent = say("no_host");
    return;
  }
  const appInfo = { name: "minimax-mcp", version: VERSION };
  const hello = { appInfo, appCapabilities: { availableDisplayModes: ["inline"] }, protocolVersion: "2026-01-26" };
  const found = await ask("ui/initialize", hello);
  host = found.hostCapabilities ?? {};
  adopt(found.hostContext ?? {});
  const isChinese = chinese(context.locale ?? navigator.language);
  words = isChinese ? WORDS.zh : WORDS.en;
  document.documentElement.lang = isChinese ? "zh" : "en";
  cards.set("", newCard());
  draw(cards.get(""), {});
  setInterval(tick, 1000);
  reportSize();
  notify("ui/notifications/initialized");
};

start();
