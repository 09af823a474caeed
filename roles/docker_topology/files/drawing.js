// Copyright: the fleetnet maintainers
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
"use strict";
// The drawing: nodes and edges as Cytoscape.js elements, and the style of each state. A state has a color, a line style, a
// width and a sign, so that it is recognizable in print and without color.

// state -> [line colour, fill, line style, line width]
const LOOKS = {
  blocked: ["#b91c1c", "#fde8e8", "solid", 4],
  leaking: ["#c2410c", "#ffedd5", "dashed", 4],
  changed: ["#a16207", "#fef9c3", "dotted", 4],
  untried: ["#4b5563", "#e5e7eb", "dotted", 3],
  missing: ["#b91c1c", "#ffffff", "dashed", 3],
  drifted: ["#92400e", "#fef3c7", "double", 6],
  undeclared: ["#6d28d9", "#f5f3ff", "dotted", 3],
  unknown: ["#4b5563", "#e5e7eb", "dashed", 2],
  as_declared: ["#374151", "#ffffff", "solid", 1.5],
  neutral: ["#6b7280", "#ffffff", "solid", 1],
};
const PROVEN = ["#166534", "#e7f6ec", "solid", 1.5];
const FAILED = ["#b91c1c", "#fde8e8", "solid", 4];
// Ends of failed edges: a blocked probe ends at a bar, a leak arrives.
const ARROWS = { blocked: "tee", missing: "tee", untried: "circle" };

// The style of a node: that of its state, or of a container's probes.
function lookOf(node) {
  if (!QUIET.has(node.state)) return LOOKS[node.state];
  if (node.kind !== "container" || !node.probes) return LOOKS[node.state];
  return node.passed < node.probes ? FAILED : PROVEN;
}

function styleSheet() {
  return [
    { selector: "node", style: {
      shape: "rectangle", width: "data(width)", height: "data(height)", "background-color": "data(fill)",
      "border-color": "data(line)", "border-style": "data(style)", "border-width": "data(thick)",
      label: "data(text)", color: "#111827", "text-wrap": "wrap", "text-max-width": "2000px",
      "text-valign": "center", "text-halign": "center", "font-family": "system-ui, Liberation Sans, DejaVu Sans, sans-serif",
      "font-size": 11, "line-height": 1.2, "min-zoomed-font-size": 7, "z-compound-depth": "auto", "z-index-compare": "manual",
      "overlay-opacity": 0,
    } },
    { selector: "node.host", style: { "z-index": 1, shape: "round-rectangle", "background-color": "data(fill)" } },
    { selector: "node.network", style: {
      "z-index": 2, "font-size": 13, "text-valign": "top", "text-margin-y": "data(drop)", "line-height": 1.2, "min-zoomed-font-size": 8,
    } },
    { selector: "node.container", style: { "z-index": 3, shape: "round-rectangle" } },
    { selector: "node.container.failed", style: { shape: "cut-rectangle" } },
    { selector: "node.bar", style: { "z-index": 1, "font-size": 16 } },
    { selector: "node.title", style: {
      "z-index": 2, "background-opacity": 0, "border-width": 0, events: "no", "font-size": "data(size)",
      "font-weight": "data(weight)",
    } },
    { selector: "edge", style: {
      width: "data(thick)", "line-color": "data(line)", "line-style": "data(style)", "target-arrow-color": "data(line)",
      "source-arrow-color": "data(line)", "curve-style": "bezier", "control-point-step-size": 26, label: "data(text)",
      "font-size": 12, color: "data(line)", "font-weight": "bold", "text-background-color": "#ffffff",
      "text-background-opacity": 0.9, "text-background-padding": 2, "min-zoomed-font-size": 7, "z-index": 9,
      "font-family": "system-ui, Liberation Sans, DejaVu Sans, sans-serif", "z-index-compare": "manual", "overlay-opacity": 0,
      "target-arrow-shape": "data(arrow)", "source-arrow-shape": "data(back)", "arrow-scale": 1.6,
    } },
    { selector: "edge.underlay", style: {
      "curve-style": "straight", "source-endpoint": "0 -50%", "target-endpoint": "data(endpoint)", "z-index": 1,
      "target-arrow-shape": "none", color: "#374151", "font-weight": "normal",
    } },
    { selector: "edge.route", style: {
      "curve-style": "unbundled-bezier", "source-endpoint": "0 50%", "target-endpoint": "0 50%",
      "control-point-distances": "data(bend)", "control-point-weights": 0.5, "edge-distances": "endpoints",
    } },
    { selector: "edge.probe", style: {
      "curve-style": "unbundled-bezier", "control-point-distances": "data(bend)", "control-point-weights": 0.5,
      label: "data(middle)", "source-label": "data(start)", "target-label": "data(end)", "source-text-offset": 55,
      "target-text-offset": 55,
    } },
    { selector: "edge.quiet", style: { opacity: 0.35, "text-opacity": 0 } },
    { selector: "edge.quiet:selected", style: { opacity: 1, "text-opacity": 1 } },
    { selector: "edge.attachment, edge.namespace", style: { "z-index": 4, "font-weight": "normal", "font-size": 9 } },
    { selector: ".faded", style: { opacity: 0.18 } },
    { selector: "node.hit", style: { "border-color": "#1d4ed8", "border-width": 7, "border-style": "solid" } },
    { selector: ":selected", style: {
      "overlay-color": "#1d4ed8", "overlay-opacity": 0.1, "overlay-padding": 4,
    } },
  ];
}

// The elements of a layout; an edge is drawn only if both of its ends are.
function elementsOf(topology, visible, showRoute, aspect = SIZE.aspect) {
  const { boxes, bars } = layout(visible, aspect);
  const elements = [];
  const add = (classes, data, box) => elements.push({
    group: "nodes", classes, data, ...(box && { position: { x: box.x, y: box.y } }), grabbable: false,
  });
  for (const bar of bars) {
    add("bar", { id: bar.id, of: bar.segment, ...paint(["#374151", "#e5e7eb", "solid", 1.5]), width: bar.width,
                 height: bar.height, text: `underlay ${nameOf(bar.segment)}` }, bar);
  }
  for (const node of visible) {
    const box = boxes.get(node.id);
    if (!box) continue;
    const failed = node.probes && node.passed < node.probes;
    const data = { id: node.id, of: node.id, ...paint(lookOf(node)), width: box.width, height: box.height, text: "" };
    if (node.kind === "host" && node.state === "as_declared") data.fill = "#f3f4f6";
    if (node.kind === "network") {
      const lines = networkLines(node);
      data.text = lines.join("\n");
      data.drop = lines.length * SIZE.network.line + 6;
    }
    if (node.kind === "container") data.text = containerLines(node).join("\n");
    add(`${node.kind}${failed ? " failed" : ""}`, data, box);
    if (node.kind === "host") titles(node, box, add);
  }
  const barOf = new Map(bars.flatMap((bar) => bar.hosts.map((host) => [host, bar])));
  let pairs = 0;
  for (const edge of topology.edges) {
    const element = drawnEdge(edge, boxes, barOf, showRoute);
    if (!element) continue;
    // Failed pairs bend to alternate sides, with labels at different places, so that the labels do not overlap.
    if (edge.kind === "probe") {
      element.data.bend = (pairs % 2 ? -1 : 1) * (30 + 26 * (pairs % 6));
      const slot = ["middle", "start", "end"][pairs % 3];
      Object.assign(element.data, { text: "", start: "", end: "", middle: "", [slot]: element.data.text, all: element.data.text });
      pairs += 1;
    }
    // Hosts one below the other: their boxes are between the ends, so that only a selected line is in the foreground.
    if ((edge.kind === "probe" || edge.wrong) && aspect <= SIZE.narrow) element.classes += " quiet";
    elements.push(element);
  }
  return elements;
}

function paint([line, fill, style, thick]) {
  return { line, fill, style, thick };
}

function nameOf(id) {
  return id.slice(id.indexOf("/") + 1);
}

// A host's name, with smaller lines below it.
function titles(node, box, add) {
  const top = box.y - box.height / 2;
  const none = { ...paint(["#000", "#fff", "solid", 0]), width: box.width - 8 };
  const name = withState(node, shorten(node.name, 30));
  const failed = node.probes && node.passed < node.probes ? [proofOf(node)] : [];
  add("title name", { id: `${node.id}#name`, of: node.id, ...none, height: 30, size: 28, weight: "bold", text: name,
                      far: [`${signOf(node.state)} ${shorten(node.name, 18)}`.trim(), ...failed].join("\n"),
                      drop: box.height / 2 - 24 }, { x: box.x, y: top + 24 });
  add("title facts", { id: `${node.id}#facts`, of: node.id, ...none, height: 30, size: 12, weight: "normal",
                 text: hostFacts(node).join("\n") }, { x: box.x, y: top + 58 });
}

// From afar, only the names of hosts are legible: they are larger then, over their boxes, with failed probes.
const FAR = 0.42;
const LEGIBLE = 13;  // pixels on the screen

function adaptNames(cy) {
  const zoom = cy.zoom();
  const far = zoom < FAR;
  cy.batch(() => {
    cy.nodes(".facts").style("text-opacity", far ? 0 : 1);
    for (const name of cy.nodes(".name")) {
      if (!far) {
        name.removeStyle();
        continue;
      }
      const text = name.data("far");
      const longest = Math.max(...text.split("\n").map((line) => line.length));
      name.style({
        label: text, "font-size": Math.min(LEGIBLE / zoom, name.width() / (0.72 * longest)),
        "text-margin-y": name.data("drop"), "text-background-color": "#ffffff", "text-background-opacity": 0.85,
        "text-background-padding": 2 / zoom, "text-background-shape": "round-rectangle", "z-index": 12,
        "min-zoomed-font-size": 5,
      });
    }
    for (const bar of cy.nodes(".bar")) bar.style("font-size", far ? Math.min(18, 11 / zoom) : 16);
  });
}

function drawnEdge(edge, boxes, barOf, showRoute) {
  const data = { id: edge.id, of: edge.id, source: edge.source, target: edge.target,
                 ...paint(LOOKS[edge.state] || LOOKS.as_declared), arrow: ARROWS[edge.state] || "triangle",
                 back: edge.both_ways ? ARROWS[edge.state] || "triangle" : "none",
                 text: `${signOf(edge.state)} ${edge.label}`.trim() };
  if (data.style === "double") data.style = "solid";  // edges have no double line; sign and width remain
  const bar = barOf.get(edge.source);
  if (edge.kind === "underlay") {
    if (!bar) return null;
    const host = boxes.get(edge.source);
    Object.assign(data, { target: bar.id, endpoint: `${host.x - bar.x}px ${bar.height / 2}px`, thick: Math.max(data.thick, 2) });
  } else if (edge.kind === "route") {
    if (!edge.wrong && edge.state !== "undeclared" && !showRoute(edge)) return null;
  } else if (edge.kind === "attachment" || edge.kind === "namespace") {
    Object.assign(data, { line: "#4b5563", style: edge.kind === "namespace" ? "dotted" : "dashed", arrow: "none" });
  }
  // A route out of the fleet leads to a segment, drawn as its bar.
  if (edge.kind === "route" && bar && edge.target === bar.segment) data.target = bar.id;
  const [from, to] = [boxes.get(edge.source), boxes.get(edge.target)];
  data.bend = from && to ? bend(from, to) : 0;
  const drawn = boxes.has(data.source) && (boxes.has(data.target) || data.target.includes("#"));
  return drawn ? { group: "edges", classes: edge.kind, data } : null;
}

// How far a route between the lower sides of two hosts bends downwards: the longer, the further, so that it passes below
// the hosts between them.
function bend(from, to) {
  const across = to.x - from.x;
  return Math.sign(across || 1) * Math.min(170, 60 + Math.abs(across) * 0.08);
}

// Cytoscape.js is part of a React component: the component is mounted without elements, and its instance is used directly.
function mount(place) {
  const root = ReactDOM.createRoot(place);
  ReactDOM.flushSync(() => root.render(React.createElement(dash_cytoscape.Cytoscape, {
    id: "topology", elements: [], layout: { name: "preset", fit: false }, stylesheet: [], setProps: () => {},
    style: { width: "100%", height: "100%" }, minZoom: 0.02, maxZoom: 4, responsive: false,
    boxSelectionEnabled: false, autoungrabify: true, clearOnUnhover: false,
  })));
  const cy = window.cy;
  cy.style().fromJson(styleSheet()).update();
  return cy;
}
