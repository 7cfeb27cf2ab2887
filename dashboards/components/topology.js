// The service graph as SVG. Data: {nodes, edges, selected}. Names are set as text, never as markup.
const BOX = { width: 142, height: 46, dx: 216, dy: 78, margin: 16 }

class Topology {
  constructor(root) {
    this.root = root
    this.view = null // [x, y, width, height] once the reader has moved or zoomed
    this.svg = svg("svg", { role: "img", "aria-label": "service graph" })
    this.tip = document.createElement("div")
    this.tip.className = "tip"
    this.fit = document.createElement("button")
    this.fit.textContent = "fit"
    this.fit.title = "show everything (0)"
    this.fit.onclick = () => this.reset()
    root.replaceChildren(this.svg, this.tip, this.fit)
    this.svg.addEventListener("wheel", (event) => this.zoom(event), { passive: false })
    this.svg.addEventListener("pointerdown", (event) => this.drag(event))
    this.svg.addEventListener("click", (event) => event.target === this.svg && this.select(""))
  }

  update(data, select) {
    this.select = (id) => select(id)
    const text = JSON.stringify(data)
    if (text === this.drawn) return
    this.drawn = text
    this.data = data
    this.draw()
  }

  reset() {
    this.view = null
    this.svg.setAttribute("viewBox", this.extent.join(" "))
  }

  at(place) {
    return [BOX.margin + place[0] * BOX.dx, BOX.margin + (place[1] - this.top) * BOX.dy]
  }

  draw() {
    const { nodes, edges } = this.data
    this.top = Math.min(...nodes.map((node) => node.place[1]), 0)
    const right = Math.max(...nodes.map((node) => node.place[0]), 0)
    const bottom = Math.max(...nodes.map((node) => node.place[1]), 0)
    const width = right * BOX.dx + BOX.width + 2 * BOX.margin
    const height = (bottom - this.top) * BOX.dy + BOX.height + 2 * BOX.margin
    // a small graph is not blown up beyond its natural size
    const wide = Math.max(width, this.root.clientWidth * 0.92)
    const high = Math.max(height, this.root.clientHeight * 0.92)
    this.extent = [-(wide - width) / 2, -(high - height) / 2, wide, high]
    this.svg.setAttribute("viewBox", (this.view || this.extent).join(" "))
    const byId = new Map(nodes.map((node) => [node.id, node]))
    const near = this.neighbours()
    this.labelled = [] // boxes of labels so far: one that would lie on another is left out until it is asked for
    const lines = edges.map((edge) => this.edge(edge, byId, near))
    this.svg.classList.toggle("dense", edges.length > 2.5 * nodes.length)
    this.svg.replaceChildren(
      ...lines.map((line) => line[0]),
      ...nodes.map((node) => this.node(node, near)),
      ...lines.map((line) => line[1]).filter(Boolean),
    )
  }

  neighbours() {
    const id = this.data.selected
    if (!id) return null
    const near = new Set([id])
    for (const edge of this.data.edges) {
      if (edge.id === id || edge.client === id || edge.server === id) [edge.id, edge.client, edge.server].forEach((x) => near.add(x))
    }
    return near
  }

  edge(edge, byId, near) {
    const from = this.at(byId.get(edge.client).place)
    const to = this.at(byId.get(edge.server).place)
    let [path, middle, others = []] = edge.client === edge.server ? this.loop(from) : this.curve(from, to, edge.bends.map((place) => this.at(place)))
    const chosen = edge.id === this.data.selected
    const group = svg("g", {
      class: `edge ${edge.tone}${chosen ? " chosen" : ""}${near && !near.has(edge.id) ? " far" : ""}`,
      "data-id": edge.id, role: "button", tabindex: 0, "aria-label": `${edge.client} calls ${edge.server}: ${edge.label.join(", ")}`,
    })
    group.append(svg("path", { class: "hit", d: path }), svg("path", { class: "line", d: path, "stroke-width": edge.width }))
    group.ends = edge
    if (edge.colour) group.style.setProperty("--c", edge.colour)
    group.append(svg("path", { class: "head", d: this.head(edge, to, from) }))
    this.live(group, edge)
    let label = null
    if (edge.showLabel || chosen || (near && near.has(edge.id))) {
      label = svg("g", { class: `label ${edge.tone}${near && !near.has(edge.id) ? " far" : ""}` })
      const width = 6.3 * Math.max(...edge.label.map((line) => line.length)) + 6
      const free = ([x, y]) => this.labelled.every(([u, v, wide]) => Math.abs(x - u) > (width + wide) / 2 || Math.abs(y - v) > 28)
      const place = [middle, ...others].find(free)
      if (!place && !chosen && !(near && near.has(edge.id))) return [group, null]
      if (place) middle = place
      this.labelled.push([...middle, width])
      label.append(svg("rect", { x: middle[0] - width / 2, y: middle[1] - 15, width, height: 30, rx: 4 }))
      edge.label.forEach((line, at) => label.append(svg("text", { x: middle[0], y: middle[1] - 3 + 14 * at, "text-anchor": "middle" }, line)))
    }
    return [group, label]
  }

  curve(from, to, bends) {
    const half = BOX.height / 2
    const back = to[0] <= from[0]
    const start = back ? [from[0] + BOX.width / 2, from[1] + BOX.height] : [from[0] + BOX.width, from[1] + half]
    const end = back ? [to[0] + BOX.width / 2, to[1] + BOX.height] : [to[0] - 7, to[1] + half]
    if (back) {
      const low = Math.max(start[1], end[1]) + 54
      return [`M${start} C${start[0]},${low} ${end[0]},${low} ${end}`, [(start[0] + end[0]) / 2, low - 13]]
    }
    const stops = [start]
    for (const bend of bends) stops.push([bend[0], bend[1] + half], [bend[0] + BOX.width, bend[1] + half])
    stops.push(end)
    let path = `M${start}`
    for (let at = 1; at < stops.length; at++) {
      const [a, b] = [stops[at - 1], stops[at]]
      const pull = Math.max(24, (b[0] - a[0]) / 2)
      path += at % 2 === 0 ? ` L${b}` : ` C${a[0] + pull},${a[1]} ${b[0] - pull},${b[1]} ${b}`
    }
    const between = (at, share) => [stops[at - 1][0] + (stops[at][0] - stops[at - 1][0]) * share, stops[at - 1][1] + (stops[at][1] - stops[at - 1][1]) * share * share * (3 - 2 * share)]
    const last = stops.length - 1
    return [path, between(1, 0.5), [between(last, 0.5), between(last, 0.72), between(1, 0.3)]]
  }

  loop([x, y]) {
    const a = x + BOX.width * 0.35
    const b = x + BOX.width * 0.65
    return [`M${a},${y} C${a - 14},${y - 36} ${b + 14},${y - 36} ${b},${y}`, [x + BOX.width / 2, y - 30]]
  }

  head(edge, to, from) {
    if (edge.client === edge.server) return ""
    const size = 4 + edge.width / 2
    if (to[0] <= from[0]) {
      const [x, y] = [to[0] + BOX.width / 2, to[1] + BOX.height + 1]
      return `M${x},${y} l${-size},${size + 3} h${2 * size} z`
    }
    const [x, y] = [to[0] - 1, to[1] + BOX.height / 2]
    return `M${x},${y} l${-size - 3},${-size} v${2 * size} z`
  }

  node(node, near) {
    const [x, y] = this.at(node.place)
    const chosen = node.id === this.data.selected
    const group = svg("g", {
      class: `node ${node.kind} ${node.health}${node.virtual ? " virtual" : ""}${chosen ? " chosen" : ""}${near && !near.has(node.id) ? " far" : ""}`,
      transform: `translate(${x},${y})`, "data-id": node.id, role: "button", tabindex: 0, "aria-label": `${node.kind} ${node.name}`,
    })
    const round = { service: 7, user: 23, database: 16, messaging: 3, external: 7, group: 2 }[node.kind] ?? 7
    group.append(
      svg("rect", { class: "box", width: BOX.width, height: BOX.height, rx: round }),
      svg("rect", { class: "health", x: 8, y: 10, width: 4, height: BOX.height - 20, rx: 2 }),
      svg("text", { class: "name", x: 20, y: 20 }, cut(node.name, 17)),
      svg("text", { class: "figures", x: 20, y: 36 }, cut(node.figures, 23)),
    )
    this.live(group, node)
    return group
  }

  live(group, item) {
    group.addEventListener("click", (event) => { if (!this.moved) this.select(item.id); event.stopPropagation() })
    group.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { this.select(item.id); event.preventDefault() } })
    group.addEventListener("pointermove", (event) => showTip(this.tip, this.root, event, item.tip))
    group.addEventListener("pointerenter", () => this.lift(item.id))
    group.addEventListener("pointerleave", () => { this.tip.style.display = "none"; this.lift(null) })
  }

  lift(id) { // in a dense graph: what belongs to the one under the pointer stands out
    for (const edge of this.svg.querySelectorAll(".edge")) {
      const { id: own, client, server } = edge.ends
      edge.classList.toggle("lifted", id !== null && (own === id || client === id || server === id))
    }
  }

  zoom(event) {
    if (!event.ctrlKey && !event.metaKey && !event.shiftKey) return // plain scrolling scrolls the page
    event.preventDefault()
    const [x, y, width, height] = this.view || this.extent
    const factor = Math.exp((event.deltaY || event.deltaX) * 0.002)
    const box = this.svg.getBoundingClientRect()
    const [u, v] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
    this.view = [x + u * width * (1 - factor), y + v * height * (1 - factor), width * factor, height * factor]
    this.svg.setAttribute("viewBox", this.view.join(" "))
  }

  drag(event) {
    const [x, y, width, height] = this.view || this.extent
    const box = this.svg.getBoundingClientRect()
    const scale = Math.max(width / box.width, height / box.height)
    const [startX, startY] = [event.clientX, event.clientY]
    this.moved = false
    const move = (next) => {
      if (Math.hypot(next.clientX - startX, next.clientY - startY) < 4 && !this.moved) return
      this.moved = true
      this.view = [x - (next.clientX - startX) * scale, y - (next.clientY - startY) * scale, width, height]
      this.svg.setAttribute("viewBox", this.view.join(" "))
    }
    const end = () => { window.removeEventListener("pointermove", move); window.removeEventListener("pointerup", end) }
    window.addEventListener("pointermove", move)
    window.addEventListener("pointerup", end)
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  instanceOf(Topology, ".topology", parentElement).update(data, (id) => setTriggerValue("selected", id))
}
