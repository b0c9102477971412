// The page: fetches the model, hashes it, and only then hands it to llama.cpp. Everything comes from this origin.

import { Wllama } from "./wllama/index.min.js";
import { Sha256 } from "./sha256.js";

const $ = (id) => document.getElementById(id);
const model = await (await fetch("model.json")).json();
const engine = new Wllama({ default: new URL("wllama/wllama.wasm", location.href).href }, { suppressNativeLog: true });
engine.setCompat(null); // else browsers without Memory64 would fetch a slower build from a CDN
const history = [];
let ready = false, stopping = null;

const SIZES = [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]];
const human = (bytes) => {
  const [unit, size] = SIZES.find(([, size]) => bytes >= size) ?? ["B", 1];
  return `${(bytes / size).toFixed(size > 1 ? 1 : 0)} ${unit}`;
};
const say = (text) => { $("state").textContent = text; };
const fail = (text) => { say(text); $("loading").className = "failed"; $("bar").hidden = true; $("load").hidden = false; };

// -- the bytes -------------------------------------------------------------------------------------------------------

// What is kept of this model between visits, where the browser has a file system of the page's own (OPFS).
async function place() {
  try {
    const root = await navigator.storage.getDirectory();
    return await root.getFileHandle(`${model.sha256}.gguf`, { create: true });
  } catch { return null; }
}

async function fetched(handle) {
  const answer = await fetch(model.path, { cache: "no-store" });
  if (!answer.ok) throw new Error(`The model cannot be fetched: status ${answer.status}`);
  const hash = new Sha256(), parts = [], began = performance.now();
  const file = handle ? await handle.createWritable() : null;
  let count = 0, shown = 0;
  try {
    for (const reader = answer.body.getReader(); ;) {
      const { done, value } = await reader.read();
      if (done) break;
      count += value.length;
      if (count > model.size) throw new Error(`The model is larger than the ${model.size} bytes that are pinned`);
      hash.update(value);
      if (file) await file.write(value); else parts.push(value);
      const now = performance.now();
      if (now - shown > 200) {
        shown = now;
        const rate = count / (now - began) * 1000, left = (model.size - count) / rate;
        $("bar").value = count / model.size;
        say(`Downloading ${human(count)} of ${human(model.size)}, ${human(rate)}/s, ${Math.ceil(left)} s left`);
      }
    }
    if (count !== model.size || hash.hex() !== model.sha256)
      throw new Error("The model is not the one that is pinned: its sha256 is another. It was not loaded");
    if (file) await file.close();
  } catch (error) {
    if (file) await file.abort().catch(() => {});
    throw error;
  }
  return handle ? handle.getFile() : new Blob(parts);
}

async function kept(handle) {
  const file = await handle.getFile();
  if (file.size !== model.size) return null;
  say("Checking the bytes that were kept");
  const hash = new Sha256();
  for (const reader = file.stream().getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    hash.update(value);
  }
  return hash.hex() === model.sha256 ? file : null;
}

async function load() {
  $("load").hidden = true;
  $("loading").className = "";
  $("bar").hidden = false;
  try {
    const handle = await place();
    const bytes = (handle && await kept(handle)) ?? await fetched(handle);
    $("bar").value = 1;
    say("Loading");
    await engine.loadModel([bytes], {
      n_ctx: model.context, n_parallel: 1, n_threads: model.threads ?? undefined, n_gpu_layers: model.gpu ? 99999 : 0,
      default_template_kwargs: model.thinking === null ? undefined : { enable_thinking: model.thinking },
    });
    ready = true;
    $("bar").hidden = true;
    say(`Ready: sha256 ${model.sha256.slice(0, 12)}… as pinned`);
    $("send").disabled = false;
  } catch (error) {
    fail(String(error.message ?? error));
  }
  document.body.dataset.state = ready ? "ready" : "failed";
}

// -- asking ----------------------------------------------------------------------------------------------------------

const fill = (text, values) => text.replace(/\{([a-z][a-z0-9_]*)\}/g, (whole, name) => values[name] ?? whole);

function messagesFor(values) {
  const system = fill(model.system, values), user = fill(model.user, values);
  const said = model.conversation ? [...history] : [];
  if (system && !model.system_role) return [...said, { role: "user", content: `${system}\n\n${user}` }];
  return [...(system ? [{ role: "system", content: system }] : []), ...said, { role: "user", content: user }];
}

const options = (signal) => ({
  stream: true, max_tokens: model.max_tokens, stop: model.stop, abortSignal: signal, ...model.sampling,
});

async function* here(values, signal) {
  const words = [fill(model.system, values), fill(model.user, values)].filter(Boolean).join("\n\n");
  const stream = model.raw
    ? await engine.createCompletion({ prompt: words, ...options(signal) })
    : await engine.createChatCompletion({ messages: messagesFor(values), ...options(signal) });
  for await (const chunk of stream) {
    const choice = chunk.choices[0];
    yield { text: model.raw ? choice?.text : choice?.delta?.content, timings: chunk.timings };
  }
}

// Who answers while the model is on its way, where the one who made this page has named somebody.
async function* elsewhere(values, signal) {
  const answer = await fetch(`${model.bridge}/chat/completions`, {
    method: "POST", signal, headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: model.bridge_model, stream: true, max_tokens: model.max_tokens,
      messages: messagesFor(values) }),
  });
  if (!answer.ok) throw new Error(`${model.bridge} answered with status ${answer.status}`);
  let text = "";
  for (const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const lines = text.split("\n");
    text = lines.pop();
    for (const line of lines)
      if (line.startsWith("data: {")) yield { text: JSON.parse(line.slice(6)).choices?.[0]?.delta?.content };
  }
}

function show(kind, text) {
  const article = document.createElement("article"), words = document.createElement("pre");
  article.className = kind;
  words.textContent = text;
  article.append(words);
  $("log").append(article);
  return words;
}

async function ask(event) {
  event.preventDefault();
  const values = Object.fromEntries(model.inputs.map((input) => [input.name, $(`input-${input.name}`).value.trim()]));
  const missing = model.inputs.find((input) => input.required && !values[input.name]);
  if (missing) return $(`input-${missing.name}`).focus();
  const main = model.inputs.find((input) => input.main) ?? model.inputs[0];
  show("question", values[main.name]);
  const words = show("answer", ""), local = ready;
  const began = performance.now();
  const times = []; // of each piece of text, in milliseconds: what `lmpm bench` reads
  let timings = null;
  stopping = new AbortController();
  $("send").disabled = true;
  $("stop").hidden = false;
  try {
    for await (const piece of local ? here(values, stopping.signal) : elsewhere(values, stopping.signal)) {
      if (piece.text) times.push(performance.now() - began);
      words.textContent += piece.text ?? "";
      timings = piece.timings ?? timings;
    }
    if (model.conversation)
      history.push({ role: "user", content: values[main.name] }, { role: "assistant", content: words.textContent });
    $(`input-${main.name}`).value = "";
  } catch (error) {
    if (!stopping.signal.aborted) words.textContent += `\n[${error.message ?? error}]`;
  }
  const note = document.createElement("small");
  const speed = timings?.predicted_per_second ? `, ${timings.predicted_per_second.toFixed(1)} tok/s` : "";
  note.textContent = `${local ? "on this device" : `by ${new URL(model.bridge).host}`}: ` +
    `${((times[0] ?? performance.now() - began) / 1000).toFixed(2)} s to the first token${speed}`;
  words.parentElement.append(note);
  words.parentElement.dataset.figures = JSON.stringify({ times, ended: performance.now() - began, timings });
  $("stop").hidden = true;
  $("send").disabled = !(ready || model.bridge);
  document.body.dataset.answers = String(Number(document.body.dataset.answers ?? 0) + 1);
}

// -- the form --------------------------------------------------------------------------------------------------------

for (const input of model.inputs) {
  const label = document.createElement("label"), field = document.createElement("textarea");
  label.htmlFor = field.id = `input-${input.name}`;
  label.textContent = input.label;
  field.className = input.name;
  field.rows = input.main ? 2 : 6;
  field.required = input.required;
  if (input.main) field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); $("form").requestSubmit(); }
  });
  $("fields").append(label, field);
}
$("form").addEventListener("submit", ask);
$("stop").addEventListener("click", () => stopping?.abort());
$("load").addEventListener("click", load);
if (model.bridge) {
  $("send").disabled = false;
  $("what").textContent = `Until the model is here, ${new URL(model.bridge).host} answers; then nothing leaves this device.`;
}
say(`${model.title}, ${human(model.size)}`);
await load();
