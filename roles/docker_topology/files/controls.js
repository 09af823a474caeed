// Copyright: the fleetnet maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
"use strict";
// The page: its views, and search and filters over the drawing.

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
let policyView = null;

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

// Undeclared networks with all that is in them, unless the reader asks for them, or something there is not as declared.
function hiddenNodes() {
  const hidden = new Set();
  if (control("undeclared").checked) return hidden;
  const wrongEnds = new Set(topology.edges.filter((edge) => edge.wrong).flatMap((edge) => [edge.source, edge.target]));
  const networks = new Map(topology.nodes.filter((node) => node.kind === "network" && node.state === "undeclared"
    && node.name !== control("filter-network").value).map((node) => [node.id, [node]]));
  for (const node of topology.nodes) if (networks.has(node.parent)) networks.get(node.parent).push(node);
  for (const nodes of networks.values()) {
    if (nodes.some((node) => node.wrong || wrongEnds.has(node.id))) continue;
    for (const node of nodes) hidden.add(node.id);
  }
  return hidden;
}

// The nodes that match the filters, with the nodes that contain them.
function visibleNodes() {
  const hidden = hiddenNodes();
  const host = control("filter-host").value;
  const network = control("filter-network").value;
  const part = control("filter-container").value.trim().toLowerCase();
  const onlyWrong = control("only-wrong").checked;
  const wrongEnds = new Set(topology.edges.filter((edge) => edge.wrong).flatMap((edge) => [edge.source, edge.target]));
  const narrow = network || part || onlyWrong;
  const kept = new Set();
  for (const node of topology.nodes) {
    if (hidden.has(node.id)) continue;
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
  const nodes = visibleNodes();
  const graph = control("graph");
  const room = narrow() ? innerHeight * 1.5 : graph.clientHeight;
  const elements = elementsOf(topology, nodes, routeShown, graph.clientWidth / Math.max(room, 200));
  cy.batch(() => {
    cy.elements().remove();
    cy.add(elements);
  });
  fillLegend(nodes);
  const box = cy.nodes().boundingBox({ includeLabels: false });
  // On a narrow screen the drawing is as high as its width allows, and the page scrolls.
  const height = Math.min(Math.max(box.h * graph.clientWidth / Math.max(box.w, 1), innerHeight * 0.5), innerHeight * 1.8);
  graph.style.height = narrow() ? `${Math.round(height)}px` : "";
  if (fit) fitAll();
  adaptNames(cy);
  search(false);
  if (selected && cy.getElementById(selected).nonempty()) cy.getElementById(selected).select();
}

function fitAll() {
  cy.resize();  // the header and the legend may have grown
  // Without the names of hosts, whose size depends on the zoom; on a narrow screen also without lines.
  cy.fit(narrow() ? cy.nodes(".host, .bar") : cy.elements().not(".title"), narrow() ? 8 : 24);
}

function narrow() {
  return matchMedia("(max-width: 900px)").matches;
}

// --- search -----------------------------------------------------------------------------------------------------------

function textOf(node) {
  return [node.name, ...node.label, ...node.terms].join(" ").toLowerCase();
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

// --- start ------------------------------------------------------------------------------------------------------------

function fill() {
  const items = topology.nodes.concat(topology.edges);
  const foreign = topology.nodes.filter((node) => node.kind === "network" && node.state === "undeclared");
  // The second line is about differences, the third about verification. Networks of others are not a problem.
  const wrong = [false, items.some((item) => item.kind !== "probe" && !QUIET.has(item.state) && !foreign.includes(item)),
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
  control("undeclared-label").hidden = foreign.length === 0;
  control("undeclared-text").textContent = `undeclared networks (${foreign.length})`;
  control("undeclared").checked = topology.show_undeclared;
  if (topology.policy) policyView = fillPolicy(topology);
  control("legend").open = !narrow();
  control("details").append(element("p", "Click an item for its details and its differences from the declaration. "
    + "Scroll to zoom, drag to move. Select a host to show its routes."));
}

// The states that are drawn.
function fillLegend(nodes) {
  const ids = new Set(nodes.map((node) => node.id));
  const edges = topology.edges.filter((edge) => ids.has(edge.source) && ids.has(edge.target));
  const used = new Set([...nodes, ...edges].map((item) => item.state));
  const items = [...STATES].filter(([state]) => used.has(state))
    .map(([state, { label, sign, meaning }]) => legendItem(LOOKS[state], `${sign} ${label}`.trim(), meaning));
  if (topology.verified !== null) {
    items.push(legendItem(PROVEN, "✓ proven", "all probes of the container are as declared"),
               legendItem(FAILED, "✗ failed", "some probes of the container are not as declared"));
  }
  control("legend-items").replaceChildren(...items);
}

// --- views ------------------------------------------------------------------------------------------------------------

// The drawing keeps its size while the policy is shown, so that it can be printed.
function showView(name) {
  const drawing = name === "drawing" || !topology.policy;
  control("views").hidden = !topology.policy;
  control("policy").hidden = drawing;
  control("drawing").classList.toggle("away", !drawing);
  document.body.classList.toggle("on-drawing", drawing);
  for (const [id, shown] of [["view-policy", !drawing], ["view-drawing", drawing]]) {
    control(id).setAttribute("aria-pressed", String(shown));
  }
  if (drawing) redraw();
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
showView("policy");
if (topology.policy) redraw();
for (const name of ["policy", "drawing"]) control(`view-${name}`).addEventListener("click", () => showView(name));
cy.on("zoom", () => requestAnimationFrame(() => adaptNames(cy)));
cy.on("tap", "node, edge", (event) => show(event.target.data("of")));
for (const id of ["filter-host", "filter-network", "only-wrong", "all-routes", "undeclared"]) control(id).addEventListener("change", () => redraw());
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
let width = innerWidth;
window.addEventListener("resize", () => {
  if (width === innerWidth) cy.resize();
  else redraw();
  width = innerWidth;
});
