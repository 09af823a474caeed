// Copyright: the fleetnet maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
"use strict";
// The page: search, filters and details over the drawing.

const topology = JSON.parse(document.getElementById("data").textContent);
for (const [state, label, sign, meaning] of topology.states) STATES.set(state, { label, sign, meaning });
const byId = new Map([...topology.nodes, ...topology.edges].map((item) => [item.id, item]));
const linksOf = new Map();
for (const edge of topology.edges) {
  for (const end of [edge.source, edge.target]) {
    if (!linksOf.has(end)) linksOf.set(end, []);
    linksOf.get(end).push(edge);
    if (edge.kind === "underlay" && byId.get(edge.source)) byId.get(edge.source).segment = edge.target;
  }
}

const control = (id) => document.getElementById(id);
const cy = mount(control("graph"));
let selected = null;

function element(tag, text, classes) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (classes) made.className = classes;
  return made;
}

// --- filters ----------------------------------------------------------------------------------------------------------

function ancestors(node) {
  const chain = [];
  for (let at = node; at; at = byId.get(at.parent)) chain.push(at);
  return chain;
}

// The nodes that match the filters, with the nodes that contain them.
function visibleNodes() {
  const host = control("filter-host").value;
  const network = control("filter-network").value;
  const part = control("filter-container").value.trim().toLowerCase();
  const onlyWrong = control("only-wrong").checked;
  const wrongEnds = new Set(topology.edges.filter((edge) => edge.wrong).flatMap((edge) => [edge.source, edge.target]));
  const narrow = network || part || onlyWrong;
  const kept = new Set();
  for (const node of topology.nodes) {
    const chain = ancestors(node);
    if (host && node.kind !== "segment" && !chain.some((at) => at.kind === "host" && at.name === host)) continue;
    if (network && !chain.some((at) => at.kind === "network" && at.name === network)) continue;
    if (part && !(node.kind === "container" && node.name.toLowerCase().includes(part))) continue;
    if (onlyWrong && !(node.wrong || wrongEnds.has(node.id) || node.state === "undeclared" || node.state === "unknown")) continue;
    for (const at of chain) kept.add(at.id);
  }
  if (narrow || host) {
    for (const node of topology.nodes) {
      if (node.kind === "host" && kept.has(node.id) && node.segment) kept.add(node.segment);
    }
  }
  return topology.nodes.filter((node) => kept.has(node.id) && (node.kind !== "segment" || segmentUsed(node, kept)));
}

function segmentUsed(segment, kept) {
  return topology.nodes.some((node) => node.kind === "host" && kept.has(node.id) && node.segment === segment.id);
}

function routeShown(edge) {
  return control("all-routes").checked || (selected && edge.source === selected);
}

function redraw(fit = true) {
  const elements = elementsOf(topology, visibleNodes(), routeShown);
  cy.batch(() => {
    cy.elements().remove();
    cy.add(elements);
  });
  if (fit) fitAll();
  search(false);
  if (selected && cy.getElementById(selected).nonempty()) cy.getElementById(selected).select();
}

function fitAll() {
  cy.resize();  // the header and the legend may have grown
  cy.fit(undefined, 24);
}

// --- search -----------------------------------------------------------------------------------------------------------

function textOf(node) {
  return [node.name, ...node.label, ...(node.observed && node.kind === "container"
    ? node.observed.networks.flatMap((end) => [end.ipv4, end.ipv6, end.mac, ...(end.aliases || [])]) : [])]
    .filter(Boolean).join(" ").toLowerCase();
}

let hits = [];
let hitNumber = -1;

function search(move = true) {
  const wanted = control("search").value.trim().toLowerCase();
  cy.elements().removeClass("faded hit");
  hits = wanted ? topology.nodes.filter((node) => textOf(node).includes(wanted) && cy.getElementById(node.id).nonempty()) : [];
  hitNumber = -1;
  control("found").textContent = wanted ? `${hits.length} found` : "";
  if (!wanted) return;
  cy.batch(() => {
    cy.elements().addClass("faded");
    for (const hit of hits) {
      cy.getElementById(hit.id).removeClass("faded").addClass("hit");
      for (const at of ancestors(hit)) {
        cy.getElementById(at.id).removeClass("faded");
        cy.nodes(".title").filter((title) => title.data("of") === at.id).removeClass("faded");
      }
    }
  });
  if (move && hits.length) cy.fit(cy.collection(hits.map((hit) => cy.getElementById(hit.id))), hits.length === 1 ? 220 : 60);
  if (move && cy.zoom() > 1.5) cy.zoom({ level: 1.5, renderedPosition: { x: cy.width() / 2, y: cy.height() / 2 } });
}

function nextHit() {
  if (!hits.length) return;
  hitNumber = (hitNumber + 1) % hits.length;
  control("found").textContent = `${hitNumber + 1} of ${hits.length}`;
  show(hits[hitNumber].id, true);
}

// --- details ----------------------------------------------------------------------------------------------------------

function show(id, move = false) {
  const item = byId.get(id);
  if (!item) return;
  const hadRoutes = selected;
  selected = id;
  cy.elements().unselect();
  if (item.kind === "host" || (hadRoutes && byId.get(hadRoutes).kind === "host")) redraw(false);
  cy.getElementById(id).select();
  if (move) cy.animate({ center: { eles: cy.getElementById(id) }, zoom: Math.max(cy.zoom(), 1), duration: 0 });
  const place = control("details");
  place.replaceChildren(element("h2", item.source ? titleOf(item) : item.name));
  const quiet = QUIET.has(item.state) ? "" : " wrong";
  place.append(element("p", `${item.kind}: ${signOf(item.state)} ${labelOf(item.state)}`, `state${quiet}`),
               element("p", shownState(item.state).meaning));
  list(place, "", item.differences || item.details || []);
  if (item.probes) {
    place.append(element("p", `${proofOf(item)} probes as declared`, item.passed < item.probes ? "state wrong" : "state"));
  }
  const around = (linksOf.get(id) || []).filter((edge) => edge.kind !== "underlay" || item.kind === "host");
  links(place, "Not as declared", around.filter((edge) => edge.wrong || edge.state === "undeclared"));
  if (item.parent) links(place, "In", [byId.get(item.parent)]);
  if (item.source) links(place, "Between", [byId.get(item.source), byId.get(item.target)].filter(Boolean));
  links(place, "Contains", topology.nodes.filter((node) => node.parent === id));
  links(place, "Connected to", around.filter((edge) => !edge.wrong && edge.state !== "undeclared"));
  table(place, "Declared", item.declared);
  table(place, "Observed", item.observed);
}

function titleOf(item) {
  if (!item.source) return `${signOf(item.state)} ${item.name}`.trim();
  const what = item.label ? `${item.kind} ${item.label}` : item.kind;
  const arrow = item.both_ways ? "↔" : "→";
  return `${signOf(item.state)} ${what}: ${pathOf(item.source)} ${arrow} ${pathOf(item.target)}`.trim();
}

// A node's name after the names of the nodes that contain it.
function pathOf(id) {
  return byId.has(id) ? ancestors(byId.get(id)).reverse().map((at) => at.name).join(" / ") : nameOf(id);
}

function list(place, title, lines) {
  if (!lines.length) return;
  if (title) place.append(element("h2", title));
  const made = element("ul");
  for (const line of lines.slice(0, 200)) made.append(element("li", line));
  if (lines.length > 200) made.append(element("li", `and ${lines.length - 200} more, all in topology.json`));
  place.append(made);
}

function links(place, title, items) {
  if (!items.length) return;
  place.append(element("h2", title));
  const made = element("ul");
  for (const item of items.slice(0, 100)) {
    const button = element("button", item.source || title === "Contains" ? titleOf(item) : pathOf(item.id));
    button.type = "button";
    button.addEventListener("click", () => show(item.id, true));
    const line = element("li");
    line.append(button);
    made.append(line);
  }
  if (items.length > 100) made.append(element("li", `and ${items.length - 100} more`));
  place.append(made);
}

function table(place, title, data) {
  if (!data) return;
  place.append(element("h2", title));
  const made = element("table");
  for (const [key, value] of rows(data, "")) {
    const row = element("tr");
    row.append(element("th", key), element("td", value));
    made.append(row);
  }
  place.append(made);
}

// Nested data as rows of key and text.
function rows(data, prefix) {
  return Object.entries(data).flatMap(([key, value]) => {
    const name = prefix ? `${prefix}.${key}` : key;
    if (value === null || value === undefined || value === "") return [];
    if (Array.isArray(value) && value.every((item) => typeof item !== "object")) {
      return value.length ? [[name, value.join("\n")]] : [];
    }
    return typeof value === "object" ? rows(value, name) : [[name, String(value)]];
  });
}

// --- start ------------------------------------------------------------------------------------------------------------

function fill() {
  const items = topology.nodes.concat(topology.edges);
  // The second line is about differences, the third about verification.
  const wrong = [false, items.some((item) => item.kind !== "probe" && !QUIET.has(item.state)),
                 items.some((item) => item.kind === "probe")];
  topology.summary.forEach((line, number) => control("summary").append(element("li", line, wrong[number] ? "wrong" : "")));
  control("coverage").hidden = topology.coverage.length === 0;
  for (const line of topology.coverage.filter((text) => text.trim())) {
    control("coverage-lines").append(element("li", line.trim()));
  }
  const names = (kind) => [...new Set(topology.nodes.filter((node) => node.kind === kind).map((node) => node.name))];
  for (const kind of ["host", "network"]) {
    for (const name of names(kind)) control(`filter-${kind}`).append(new Option(name, name));
  }
  const used = new Set([...topology.nodes, ...topology.edges].map((item) => item.state));
  for (const [state, { label, sign, meaning }] of STATES) {
    if (used.has(state)) control("legend-items").append(legendItem(LOOKS[state], `${sign} ${label}`.trim(), meaning));
  }
  if (topology.verified !== null) {
    control("legend-items").append(legendItem(PROVEN, "✓ proven", "all probes of the container are as declared"),
                                   legendItem(FAILED, "✗ failed", "some probes of the container are not as declared"));
  }
  control("details").append(element("p", "Click an item for its details and its differences from the declaration. "
    + "Scroll to zoom, drag to move. Select a host to show its routes."));
}

function legendItem([line, fillColour, style, thick], name, meaning) {
  const item = element("li");
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  picture.setAttribute("width", 34);
  picture.setAttribute("height", 18);
  const box = (inset, width) => {
    const made = document.createElementNS(space, "rect");
    const values = { x: inset, y: inset, width: 34 - 2 * inset, height: 18 - 2 * inset, fill: fillColour, stroke: line,
                     "stroke-width": width, "stroke-dasharray": { dashed: "6 3", dotted: "2 2" }[style] || "none" };
    for (const [key, value] of Object.entries(values)) made.setAttribute(key, value);
    picture.append(made);
  };
  if (style === "double") {
    box(1, 1.5);
    box(4, 1.5);
  } else {
    box(2, Math.min(thick, 3));
  }
  item.append(picture, element("b", name), element("span", meaning));
  return item;
}

fill();
redraw();
cy.on("tap", "node, edge", (event) => show(event.target.data("of")));
for (const id of ["filter-host", "filter-network", "only-wrong", "all-routes"]) control(id).addEventListener("change", () => redraw());
control("filter-container").addEventListener("input", () => redraw());
control("search").addEventListener("input", () => search());
control("search").addEventListener("keydown", (event) => {
  if (event.key === "Enter") { event.preventDefault(); nextHit(); }
});
control("controls").addEventListener("submit", (event) => event.preventDefault());
for (const [id, factor] of [["closer", 1.4], ["farther", 1 / 1.4]]) {
  control(id).addEventListener("click", () => cy.zoom({
    level: cy.zoom() * factor, renderedPosition: { x: cy.width() / 2, y: cy.height() / 2 },
  }));
}
control("fit").addEventListener("click", fitAll);
window.addEventListener("resize", () => cy.resize());
