"use strict";

const byId = (id) => document.getElementById(id);
const LOOK_MS = 2000;
let models = [];
let talk = [];
let running = null;
let key = "";

function make(tag, text, className) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}

function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (bytes >= 1024 && unit < units.length - 1) { bytes /= 1024; unit += 1; }
  return `${unit ? bytes.toFixed(1) : bytes} ${units[unit]}`;
}

function headers() {
  const found = { "Content-Type": "application/json" };
  if (key) found.Authorization = `Bearer ${key}`;
  return found;
}

async function look() {
  let said;
  try {
    const response = await fetch("/v1/models", { headers: headers() });
    byId("unlock").hidden = response.status !== 401;
    if (response.status === 401) { notice(key ? "The key is not the right one" : ""); return; }
    said = await response.json();
  } catch {
    notice("The server cannot be reached");
    return;
  }
  notice("");
  models = said.data;
  showModels(said.lmpm.memory);
  showChoices();
}

function notice(text) { if (byId("notice").textContent !== text) byId("notice").textContent = text; }

function stateWords(facts) {
  if (facts.state === "downloading") return `downloading ${Math.floor(100 * (facts.progress || 0))} %`;
  return { unloaded: "loads when asked", missing: "not on this machine" }[facts.state] || facts.state;
}

function showModels(memory) {
  const list = byId("models");
  for (const model of models) {
    const id = `model-${model.id}`;
    const old = document.getElementById(id);
    const opened = Boolean(old && old.querySelector("details") && old.querySelector("details").open);
    const held = old && old.contains(document.activeElement);
    const made = modelRow(model, memory.budget, opened);
    made.id = id;
    if (!old) list.append(made);
    else if (old.dataset.facts !== made.dataset.facts) {
      old.replaceWith(made);
      if (held && made.querySelector("summary")) made.querySelector("summary").focus();
    }
  }
  const names = new Set(models.map((model) => `model-${model.id}`));
  for (const row of [...list.children]) if (!names.has(row.id)) row.remove();
  byId("memory").hidden = false;
  byId("memory-words").textContent = `In memory: ${size(memory.taken)} of ${size(memory.budget)} for models`;
  byId("memory-bar").max = memory.budget;
  byId("memory-bar").value = memory.taken;
}

function modelRow(model, budget, opened) {
  const facts = model.lmpm;
  const row = make("li");
  row.dataset.facts = JSON.stringify([facts, budget]);
  const head = make("div", undefined, "head");
  head.append(make("span", model.id, "name"));
  row.append(head);
  if (facts.kind === "route") {
    head.append(make("span", `route: ${facts.targets.join(", then ")}`, "title"));
    head.append(make("span", facts.privacy === "local-only" ? "stays on this machine" : facts.privacy, "state"));
    if (facts.bridge) row.append(make("p", `until the first is here: ${facts.bridge.join(", then ")}`, "facts"));
    return row;
  }
  head.append(make("span", facts.title, "title"));
  head.append(make("span", stateWords(facts), `state ${facts.state}`));
  if (facts.state === "downloading") {
    const bar = make("progress");
    bar.max = 1;
    bar.value = facts.progress || 0;
    bar.setAttribute("aria-label", `Download of ${model.id}`);
    row.append(bar);
    if (facts.bridge) row.append(make("p", `Until it is here the ${facts.bridge} answers`, "facts"));
  }
  if (facts.problem) row.append(make("p", facts.problem, "facts failed"));
  const words = [`${size(facts.memory)} of ${size(budget)}`];
  words.push(facts.slots > 1 ? `${facts.slots} answers at once` : "one answer at a time");
  words.push(`${facts.context.toLocaleString("en")} tokens each`);
  if (facts.active) words.push(`${facts.active} being answered`);
  if (facts.waiting) words.push(`${facts.waiting} waiting`);
  const need = make("p", `Needs ${words.join(" · ")}`, "facts");
  const bar = make("meter");
  bar.max = budget;
  bar.value = facts.memory;
  bar.setAttribute("aria-label", `Memory that ${model.id} needs: ${words[0]}`);
  row.append(need, bar, reasons(facts, opened));
  return row;
}

function reasons(facts, opened) {
  const box = make("details");
  box.open = opened;
  box.append(make("summary", "Why this one"));
  const list = make("ul");
  list.append(make("li", `Licence ${facts.license || "unknown"}, for ${facts.task || "anything"}`));
  if (facts.speed) list.append(make("li", `about ${Math.round(facts.speed)} tokens a second expected here`));
  for (const other of facts.passed_over || []) list.append(make("li", `not taken: ${other}`));
  if (!(facts.passed_over || []).length) list.append(make("li", "the lock has no other candidate for it"));
  box.append(list);
  return box;
}

function answering() { return models.filter((model) => ["text", "route"].includes(model.lmpm.kind)); }

function showChoices() {
  const select = byId("model");
  const names = answering().map((model) => model.id);
  if ([...select.options].map((option) => option.value).join("\n") === names.join("\n")) return;
  const before = select.value;
  select.replaceChildren(...names.map((name) => new Option(name, name)));
  if (names.includes(before)) select.value = before;
  byId("send").disabled = names.length === 0;
  showFields();
}

function chosen() { return models.find((model) => model.id === byId("model").value); }

function inputs() {
  const model = chosen();
  const found = model ? model.lmpm.inputs || [] : [];
  return found.length > 1 ? found.filter((input) => !input.image) : [];
}

function asksByInputs() {
  return inputs().length > 0 && document.querySelector("input[name=how]:checked").value === "inputs";
}

function showFields() {
  byId("how").hidden = inputs().length === 0;
  const wanted = asksByInputs() ? inputs() : [{ name: "message", required: true, main: true }];
  const fields = wanted.flatMap((input) => {
    const id = `field-${input.name}`;
    const words = input.name.replaceAll("_", " ");
    const label = make("label", `${words[0].toUpperCase()}${words.slice(1)}${input.list ? " (one a line)" : ""}`);
    const area = make("textarea");
    label.htmlFor = id;
    area.id = id;
    area.name = input.name;
    area.required = input.required;
    area.dataset.list = input.list ? "yes" : "";
    area.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("ask").requestSubmit();
    });
    return [label, area];
  });
  byId("fields").replaceChildren(...fields);
}

function say(who, text, className) {
  const article = make("article", undefined, className);
  const words = make("pre", text);
  article.append(make("h3", who), words);
  byId("talk").append(article);
  return { article, words };
}

async function ask(event) {
  event.preventDefault();
  if (running) return;
  const model = byId("model").value;
  const areas = [...byId("fields").querySelectorAll("textarea")];
  const body = { model, stream: true, stream_options: { include_usage: true } };
  if (asksByInputs()) {
    const filled = areas.filter((area) => area.value.trim());
    const value = (area) => area.dataset.list ? area.value.split("\n").filter((line) => line.trim()) : area.value;
    body.lmpm = Object.fromEntries(filled.map((area) => [area.name, value(area)]));
    say("You", filled.map((area) => `${area.name}: ${area.value}`).join("\n"), "mine");
  } else {
    talk.push({ role: "user", content: areas[0].value });
    body.messages = talk;
    say("You", areas[0].value, "mine");
    areas[0].value = "";
  }
  running = new AbortController();
  byId("send").disabled = true;
  byId("stop").hidden = false;
  const shown = say(model, "", "theirs");
  shown.article.setAttribute("aria-busy", "true");
  const began = performance.now();
  try {
    await answer(body, shown, began);
  } catch (error) {
    const why = error.name === "AbortError" ? "Stopped" : String(error.message || error);
    shown.article.append(make("p", why, "problem"));
    if (body.messages && !shown.words.textContent) talk.pop();
    else if (body.messages) talk.push({ role: "assistant", content: shown.words.textContent });
  } finally {
    shown.article.removeAttribute("aria-busy");
    running = null;
    byId("send").disabled = false;
    byId("stop").hidden = true;
    look();
  }
}

async function answer(body, shown, began) {
  const options = { method: "POST", headers: headers(), body: JSON.stringify(body), signal: running.signal };
  const response = await fetch("/v1/chat/completions", options);
  if (!response.ok) throw new Error((await response.json()).error.message);
  let first = null, text = "", thoughts = null, last = {};
  for await (const event of events(response.body)) {
    if (event.error) throw new Error(event.error.message);
    last = event.timings || event.usage ? { ...last, ...event } : last;
    for (const choice of event.choices || []) {
      const delta = choice.delta || {};
      if (delta.reasoning_content) {
        first = first || performance.now();
        thoughts = thoughts || shown.article.insertBefore(make("pre", "", "thoughts"), shown.words);
        thoughts.textContent += delta.reasoning_content;
      }
      if (delta.content) {
        first = first || performance.now();
        text += delta.content;
        shown.words.textContent = text;
      }
    }
  }
  if (body.messages) talk.push({ role: "assistant", content: text });
  figures(shown, response.headers, began, first, last);
}

function figures(shown, said, began, first, last) {
  const target = said.get("x-lmpm-target") || "";
  const where = target.startsWith("cloud:") ? `answered in the cloud (${target.slice(6)})`
    : target.startsWith("bridge:cloud:") ? `answered in the cloud for now (${target.slice(13)})`
    : target.startsWith("bridge:") ? "answered on this machine by a stand-in" : "answered on this machine";
  const words = [];
  if (first) words.push(`${((first - began) / 1000).toFixed(2)} s to the first token`);
  const tokens = last.usage ? last.usage.completion_tokens : 0;
  const ours = first && tokens > 1 ? 1000 * (tokens - 1) / (performance.now() - first) : 0;
  const speed = (last.timings && last.timings.predicted_per_second) || ours;  // the cloud says none
  if (speed && Number.isFinite(speed)) words.push(`${speed.toFixed(1)} tokens a second`);
  words.push(`${where}, ${decodeURIComponent(said.get("x-lmpm-model") || "")}`);
  shown.article.append(make("p", words.join(" · "), "figures"));
}

async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    held += value;
    const lines = held.split("\n");
    held = lines.pop();
    for (const line of lines) {
      if (line.startsWith("data: {")) yield JSON.parse(line.slice(6));
    }
  }
}

byId("place").textContent = `${location.origin}/v1`;
byId("ask").addEventListener("submit", ask);
byId("model").addEventListener("change", showFields);
byId("stop").addEventListener("click", () => running && running.abort());
byId("clear").addEventListener("click", () => { talk = []; byId("talk").replaceChildren(); });
byId("unlock").addEventListener("submit", (event) => { event.preventDefault(); key = byId("key").value; look(); });
for (const radio of document.querySelectorAll("input[name=how]")) radio.addEventListener("change", showFields);
look();
setInterval(() => { if (!document.hidden) look(); }, LOOK_MS);
