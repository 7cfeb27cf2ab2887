// Who calls whom as a matrix: callers down, callees across, in the order of the layers, so that calls lie above the
// diagonal and what goes backwards below it. Data: that of topology.js.
const LABEL = 150

class Matrix {
  constructor(root) {
    this.root = root
    this.scroller = make("div", "scroller")
    this.svg = svg("svg", { role: "img", "aria-label": "matrix of callers and callees" })
    this.tip = make("div", "tip")
    this.scroller.append(this.svg)
    root.replaceChildren(this.scroller, this.tip)
    this.svg.addEventListener("pointerleave", () => this.leave())
  }

  update(data, select) {
    this.select = select
    const text = JSON.stringify(data)
    if (text === this.drawn) return
    this.drawn = text
    const nodes = [...data.nodes].sort((a, b) => a.place[0] - b.place[0] || a.place[1] - b.place[1])
    const size = Math.max(11, Math.min(26, Math.floor((this.root.clientWidth - LABEL - 24) / Math.max(nodes.length, 1))))
    const at = new Map(nodes.map((node, place) => [node.id, LABEL + place * size]))
    const extent = LABEL + nodes.length * size + 4
    this.svg.setAttribute("width", extent)
    this.svg.setAttribute("height", extent)
    this.row = svg("rect", { class: "cross", x: 0, width: extent, height: size, y: -size })
    this.column = svg("rect", { class: "cross", y: 0, height: extent, width: size, x: -size })
    const parts = [this.row, this.column, svg("path", { class: "diagonal", d: `M${LABEL},${LABEL} L${extent},${extent}` })]
    for (const node of nodes) {
      const place = at.get(node.id), chosen = node.id === data.selected ? " chosen" : ""
      const across = svg("text", { class: `name${chosen}`, transform: `translate(${place + size / 2 + 4},${LABEL - 6}) rotate(-90)` }, cut(node.name, 22))
      const down = svg("text", { class: `name${chosen}`, x: LABEL - 6, y: place + size / 2 + 4, "text-anchor": "end" }, cut(node.name, 22))
      for (const label of [across, down]) {
        label.addEventListener("click", () => this.select(node.id))
        label.addEventListener("pointermove", (event) => showTip(this.tip, this.root, event, node.tip))
        parts.push(label)
      }
    }
    for (const edge of data.edges) {
      const cell = svg("rect", {
        class: `edge ${edge.tone}${edge.id === data.selected ? " chosen" : ""}`, "data-id": edge.id, role: "button", tabindex: 0,
        "aria-label": `${edge.client} calls ${edge.server}: ${edge.label.join(", ")}`,
        x: at.get(edge.server) + 1, y: at.get(edge.client) + 1, width: size - 2, height: size - 2, rx: 2,
      })
      if (edge.colour) cell.style.setProperty("--c", edge.colour)
      cell.addEventListener("click", () => this.select(edge.id))
      cell.addEventListener("keydown", (event) => event.key === "Enter" && this.select(edge.id))
      cell.addEventListener("pointermove", (event) => {
        showTip(this.tip, this.root, event, edge.tip)
        this.row.setAttribute("y", at.get(edge.client))
        this.column.setAttribute("x", at.get(edge.server))
      })
      parts.push(cell)
    }
    this.svg.replaceChildren(...parts)
  }

  leave() {
    this.tip.style.display = "none"
    this.row.setAttribute("y", -100)
    this.column.setAttribute("x", -100)
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  instanceOf(Matrix, ".matrix", parentElement).update(data, (id) => setTriggerValue("selected", id))
}
