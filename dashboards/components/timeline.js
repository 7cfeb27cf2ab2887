// The spans of one trace on a canvas: a row each, its bar in time, the critical path as a bright thread.
// Data: {packed: bytes, selected: hex span id}. Bytes: u32 header length, JSON header, then 8-aligned little-endian
// columns, rows in tree order with the size of each subtree, so that collapsing is skipping.
const ROW = 24, RULER = 24, MAP = 46, INDENT = 13
const FAILED = 1, PLACEHOLDER = 2, ON_PATH = 4

function unpack(bytes) {
  const buffer = bytes.slice().buffer // arrives at any offset: copy, so that typed arrays may be laid over it
  const length = new DataView(buffer).getUint32(0, true)
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)))
  const types = { f8: Float64Array, i4: Int32Array, u1: Uint8Array }
  const columns = {}
  for (const [name, type, offset, count] of header.columns) columns[name] = new types[type](buffer, offset, count)
  return { ...header, ...columns }
}

class Timeline {
  constructor(root) {
    this.root = root
    this.collapsed = new Set()
    this.hover = -1
    this.map = document.createElement("canvas")
    this.map.className = "map"
    this.scroller = document.createElement("div")
    this.scroller.className = "scroller"
    this.scroller.tabIndex = 0
    this.scroller.setAttribute("role", "tree")
    this.scroller.setAttribute("aria-label", "spans; arrow keys move, left and right fold")
    this.canvas = document.createElement("canvas")
    this.spacer = document.createElement("div")
    this.tip = document.createElement("div")
    this.tip.className = "tip"
    this.scroller.append(this.canvas, this.spacer)
    root.replaceChildren(this.map, this.finder(), this.scroller, this.tip)
    this.scroller.addEventListener("scroll", () => this.later())
    this.scroller.addEventListener("pointermove", (event) => this.over(event))
    this.scroller.addEventListener("pointerleave", () => { this.hover = -1; this.tip.style.display = "none"; this.later() })
    this.scroller.addEventListener("click", (event) => this.click(event))
    this.scroller.addEventListener("keydown", (event) => this.key(event))
    this.scroller.addEventListener("wheel", (event) => this.wheel(event), { passive: false })
    this.map.addEventListener("pointerdown", (event) => this.brush(event))
    this.map.addEventListener("dblclick", () => { this.range = [0, this.spans.total_ns]; this.later() })
    this.resize = new ResizeObserver(() => this.later())
    this.resize.observe(root)
    root.timeline = this // a handle for tests: what is on a canvas cannot be queried
  }

  update(data, select) {
    this.select = select
    const key = `${data.packed.byteLength}:${data.key}`
    if (key !== this.loaded) {
      this.loaded = key
      this.spans = unpack(data.packed)
      this.range = [0, this.spans.total_ns]
      this.fold()
      this.list()
      this.sections()
      this.find()
      this.failures.disabled = !this.spans.flags.some((flag) => flag & FAILED)
    }
    if (data.selected !== this.told) {
      this.told = data.selected
      this.selected = this.spans.ids.indexOf(data.selected)
    }
    this.later()
  }

  finder() { // above the rows: find by text, go to the next failure, to the next section of the path
    this.input = make("input")
    this.input.type = "search"
    this.input.placeholder = "find a service or operation"
    this.input.setAttribute("aria-label", "find in this trace")
    this.input.addEventListener("input", () => { this.find(); this.later() })
    this.input.addEventListener("keydown", (event) => event.key === "Enter" && this.next((row) => this.found.has(row), event.shiftKey ? -1 : 1))
    this.count = make("span", "count")
    const button = (text, title, matches) => {
      const made = make("button", "", text)
      made.title = title
      made.onclick = (event) => this.next(matches, event.shiftKey ? -1 : 1)
      return made
    }
    this.failures = button("✕ next failure", "f; with Shift the one before", (row) => this.spans.flags[row] & FAILED)
    const path = button("━ next on the path", "p; with Shift the one before", (row) => this.spans.on_path[row] > 0)
    const open = button("unfold all", "show every span", () => false)
    open.onclick = () => { this.collapsed.clear(); this.list(); this.later() }
    const bar = make("div", "finder")
    bar.append(this.input, this.count, this.failures, path, open)
    return bar
  }

  find() {
    const text = this.input.value.trim().toLowerCase(), { services, names, service, name } = this.spans
    const good = (list) => list.map((value) => text !== "" && value.toLowerCase().includes(text))
    const inService = good(services), inName = good(names)
    this.found = new Set()
    service.forEach((code, row) => { if (inService[code] || inName[name[row]]) this.found.add(row) })
    this.count.textContent = text ? `${this.found.size.toLocaleString()} found` : ""
  }

  next(matches, step) { // the next row in tree order, around the end; what hides it is unfolded
    const size = this.spans.size.length
    let row = this.selected >= 0 ? this.selected : step > 0 ? -1 : size
    for (let tries = 0; tries < size; tries++) {
      row = (row + step + size) % size
      if (matches(row)) return this.reveal(row)
    }
  }

  reveal(row) {
    for (const above of [...this.collapsed]) if (above < row && row < above + this.spans.size[above]) this.collapsed.delete(above)
    this.list()
    this.choose(row)
    this.scroller.scrollTop = Math.max(0, this.place[row] * ROW - this.scroller.clientHeight / 2)
  }

  fold() { // a large trace opens on what matters: the path and the failures
    this.collapsed.clear()
    const { depth, size, flags, failed_below } = this.spans
    if (depth.length < 2000) return
    for (let row = 0; row < depth.length; row++) {
      if (size[row] > 1 && depth[row] > 2 && !(flags[row] & ON_PATH) && !failed_below[row]) this.collapsed.add(row)
    }
  }

  list() {
    const rows = []
    const { size } = this.spans
    for (let row = 0; row < size.length; row += this.collapsed.has(row) ? size[row] : 1) rows.push(row)
    this.rows = Int32Array.from(rows)
    this.place = new Int32Array(size.length).fill(-1)
    rows.forEach((row, at) => { this.place[row] = at })
  }

  sections() { // section numbers by row
    this.byRow = new Map()
    this.spans.section_row.forEach((row, at) => this.byRow.set(row, [...(this.byRow.get(row) || []), at]))
  }

  later() {
    if (this.waiting || !this.spans) return
    this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.draw() })
  }

  colours() {
    const style = getComputedStyle(this.root)
    const get = (name) => style.getPropertyValue(name).trim()
    return { text: get("--st-text-color"), back: get("--st-background-color"), line: get("--st-border-color"), soft: get("--st-secondary-background-color"), accent: get("--st-primary-color"), font: get("--st-font") || "sans-serif" }
  }

  prepare(canvas, width, height) {
    const ratio = window.devicePixelRatio || 1
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio)
      canvas.height = Math.round(height * ratio)
      canvas.style.width = `${width}px`
      canvas.style.height = `${height}px`
    }
    const pen = canvas.getContext("2d")
    pen.setTransform(ratio, 0, 0, ratio, 0, 0)
    pen.clearRect(0, 0, width, height)
    pen.textBaseline = "middle"
    return pen
  }

  draw() {
    const width = this.scroller.clientWidth, height = this.scroller.clientHeight
    if (!width || !height) return
    this.spacer.style.height = `${Math.max(0, this.rows.length * ROW + RULER - height)}px` // the canvas has the rest
    const ink = this.colours(), pen = this.prepare(this.canvas, width, height)
    this.split = Math.round(Math.min(Math.max(width * 0.36, 230), 520))
    this.drawMap(ink, width)
    const first = Math.floor(this.scroller.scrollTop / ROW)
    const last = Math.min(this.rows.length, first + Math.ceil(height / ROW) + 1)
    this.first = first
    this.y = (row) => RULER + this.place[row] * ROW - this.scroller.scrollTop
    this.x = (ns) => this.split + 10 + ((ns - this.range[0]) / Math.max(1, this.range[1] - this.range[0])) * (width - this.split - 84)
    for (let at = first; at < last; at++) this.drawRow(pen, ink, this.rows[at], width)
    this.drawThread(pen, ink, first, last, height)
    this.drawRuler(pen, ink, width, height)
  }

  drawRow(pen, ink, row, width) {
    const { depth, size, start, length, service, name, flags, services, names, colours } = this.spans
    const y = this.y(row), middle = y + ROW / 2
    if (row === this.selected || row === this.hover) {
      pen.fillStyle = ink.text
      pen.globalAlpha = row === this.selected ? 0.12 : 0.05
      pen.fillRect(0, y, width, ROW)
      pen.globalAlpha = 1
    }
    if (this.found.has(row)) {
      pen.fillStyle = "#e69f00"
      pen.globalAlpha = 0.18
      pen.fillRect(0, y, this.split, ROW)
      pen.globalAlpha = 1
    }
    const x = 10 + Math.min(depth[row], 14) * INDENT
    pen.fillStyle = ink.text
    if (size[row] > 1) {
      pen.font = `10px ${ink.font}`
      pen.fillText(this.collapsed.has(row) ? "▸" : "▾", x, middle)
    }
    pen.save()
    pen.beginPath()
    pen.rect(0, y, this.split - 8, ROW)
    pen.clip()
    pen.fillStyle = colours[service[row]]
    pen.fillRect(x + 13, y + 6, 4, ROW - 12)
    let text = x + 23
    if (flags[row] & FAILED) {
      pen.fillStyle = "#d1383d"
      pen.font = `bold 12px ${ink.font}`
      pen.fillText("✕", text, middle)
      text += 14
    }
    pen.fillStyle = ink.text
    pen.font = `600 12px ${ink.font}`
    const label = flags[row] & PLACEHOLDER ? "not seen" : services[service[row]]
    pen.fillText(label, text, middle)
    text += pen.measureText(label).width + 7
    pen.globalAlpha = 0.72
    pen.font = `12px ${ink.font}`
    pen.fillText(names[name[row]] + (this.collapsed.has(row) ? `  (+${size[row] - 1})` : ""), text, middle)
    pen.restore()
    const from = this.x(start[row]), to = this.x(start[row] + length[row])
    const left = Math.max(from, this.split + 8), right = Math.min(Math.max(to, from + 2), width)
    if (right < this.split + 8 || left > width) return
    pen.globalAlpha = flags[row] & ON_PATH ? 0.9 : 0.55
    pen.fillStyle = colours[service[row]]
    if (flags[row] & PLACEHOLDER) {
      pen.strokeStyle = ink.text
      pen.setLineDash([4, 3])
      pen.strokeRect(left, y + 6, right - left, ROW - 12)
      pen.setLineDash([])
    } else pen.fillRect(left, y + 6, Math.max(right - left, 2), ROW - 12)
    pen.globalAlpha = 0.75
    pen.fillStyle = ink.text
    pen.font = `11px ${ink.font}`
    pen.fillText(duration(length[row]), Math.min(right + 6, width - 68), middle)
    pen.globalAlpha = 1
  }

  drawThread(pen, ink, first, last, height) {
    const { section_row, section_from, section_to } = this.spans
    const visible = (row) => this.place[row] >= first && this.place[row] < last
    pen.save()
    pen.beginPath()
    pen.rect(this.split + 2, RULER, this.scroller.clientWidth, height)
    pen.clip()
    for (let at = first; at < last; at++) {
      for (const section of this.byRow.get(this.rows[at]) || []) {
        const row = section_row[section], y = this.y(row) + ROW / 2
        const from = this.x(section_from[section]), to = this.x(section_to[section])
        pen.strokeStyle = ink.back
        pen.lineWidth = 5
        pen.beginPath(); pen.moveTo(from, y); pen.lineTo(Math.max(to, from + 1), y); pen.stroke()
        pen.strokeStyle = ink.text
        pen.lineWidth = 3
        pen.beginPath(); pen.moveTo(from, y); pen.lineTo(Math.max(to, from + 1), y); pen.stroke()
        for (const [other, x] of [[section - 1, from], [section + 1, to]]) {
          const next = section_row[other]
          if (next === undefined || this.place[next] < 0) continue
          const touches = other < section ? section_to[other] === section_from[section] : section_from[other] === section_to[section]
          if (!touches || (visible(next) && other < section)) continue
          const end = visible(next) ? this.y(next) + ROW / 2 : y + Math.sign(this.place[next] - this.place[row]) * 9 // a stub to what is off screen
          pen.lineWidth = 1
          pen.globalAlpha = 0.7
          pen.beginPath(); pen.moveTo(x, y); pen.lineTo(x, end); pen.stroke()
          pen.globalAlpha = 1
        }
      }
    }
    pen.restore()
  }

  drawRuler(pen, ink, width, height) {
    pen.fillStyle = ink.back
    pen.fillRect(0, 0, width, RULER)
    pen.fillStyle = ink.text
    pen.font = `11px ${ink.font}`
    pen.fillText(`${this.spans.depth.length.toLocaleString()} spans`, 10, RULER / 2)
    const span = this.range[1] - this.range[0], rough = span / 6
    const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)))
    const step = power * ([1, 2, 5].find((factor) => power * factor >= rough) || 10)
    pen.strokeStyle = ink.line
    pen.lineWidth = 1
    for (let ns = Math.ceil(this.range[0] / step) * step; ns <= this.range[1]; ns += step) {
      const x = this.x(ns)
      pen.globalAlpha = 0.5
      pen.beginPath(); pen.moveTo(x, RULER - 4); pen.lineTo(x, height); pen.stroke()
      pen.globalAlpha = 0.8
      pen.fillText(duration(ns), x + 3, RULER / 2)
    }
    pen.globalAlpha = 1
    for (const [a, b] of [[[0, RULER], [width, RULER]], [[this.split, 0], [this.split, height]]]) {
      pen.beginPath(); pen.moveTo(...a); pen.lineTo(...b); pen.stroke()
    }
  }

  drawMap(ink, width) {
    const pen = this.prepare(this.map, width, MAP)
    const { depth, start, length, service, colours, total_ns, flags } = this.spans
    const deepest = Math.max(1, this.spans.deepest), scale = width / Math.max(1, total_ns)
    pen.fillStyle = ink.soft
    pen.fillRect(0, 0, width, MAP)
    const stride = Math.max(1, Math.floor(depth.length / 6000))
    const line = Math.max(1, Math.min(5, (MAP - 6) / (deepest + 1)))
    for (let row = 0; row < depth.length; row += stride) {
      pen.fillStyle = flags[row] & FAILED ? "#d1383d" : colours[service[row]]
      pen.fillRect(start[row] * scale, 3 + (depth[row] * (MAP - 6)) / (deepest + 1), Math.max(1, length[row] * scale), line)
    }
    if (this.range[0] > 0 || this.range[1] < total_ns) {
      pen.fillStyle = ink.text
      pen.globalAlpha = 0.25
      pen.fillRect(0, 0, this.range[0] * scale, MAP)
      pen.fillRect(this.range[1] * scale, 0, width, MAP)
      pen.globalAlpha = 1
    }
  }

  rowAt(event) {
    const y = event.clientY - this.scroller.getBoundingClientRect().top
    const at = y < RULER ? -1 : Math.floor((y - RULER + this.scroller.scrollTop) / ROW)
    return at >= 0 && at < this.rows.length ? this.rows[at] : -1
  }

  over(event) {
    this.hover = this.rowAt(event)
    this.later()
    const { services, names, service, name, start, length, on_path, flags, size } = this.spans
    if (this.hover < 0) { this.tip.style.display = "none"; return }
    const row = this.hover
    const lines = [
      flags[row] & PLACEHOLDER ? "a span that was not seen" : `${services[service[row]]}  ${names[name[row]]}`,
      `starts at ${duration(start[row])}, takes ${duration(length[row])}`,
      on_path[row] ? `holds the critical path for ${duration(on_path[row])}` : flags[row] & ON_PATH ? "on the critical path, in what it waits for" : "not on the critical path",
    ]
    if (size[row] > 1) lines.push(`${size[row] - 1} spans below`)
    showTip(this.tip, this.root, event, lines)
  }

  toggle(row) {
    if (this.spans.size[row] < 2) return
    this.collapsed.has(row) ? this.collapsed.delete(row) : this.collapsed.add(row)
    this.list()
    this.later()
  }

  choose(row) {
    this.selected = row
    this.told = row < 0 ? "" : this.spans.ids[row]
    this.select(this.told)
    this.later()
  }

  click(event) {
    const row = this.rowAt(event)
    if (row < 0) return
    const x = event.clientX - this.scroller.getBoundingClientRect().left
    const arrow = 10 + Math.min(this.spans.depth[row], 14) * INDENT
    if (this.spans.size[row] > 1 && x >= arrow - 6 && x <= arrow + 12) this.toggle(row)
    else this.choose(row)
  }

  key(event) {
    const at = this.selected >= 0 ? this.place[this.selected] : -1
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15 }
    if (event.key in moves) {
      const next = Math.min(this.rows.length - 1, Math.max(0, at + moves[event.key]))
      this.choose(this.rows[next])
      const top = next * ROW
      if (top < this.scroller.scrollTop) this.scroller.scrollTop = top
      if (top + ROW + RULER > this.scroller.scrollTop + this.scroller.clientHeight) this.scroller.scrollTop = top + ROW + RULER - this.scroller.clientHeight
    } else if (event.key === "ArrowLeft" && this.selected >= 0 && !this.collapsed.has(this.selected)) this.toggle(this.selected)
    else if (event.key === "ArrowRight" && this.selected >= 0 && this.collapsed.has(this.selected)) this.toggle(this.selected)
    else if (event.key.toLowerCase() === "f") this.next((row) => this.spans.flags[row] & FAILED, event.shiftKey ? -1 : 1)
    else if (event.key.toLowerCase() === "p") this.next((row) => this.spans.on_path[row] > 0, event.shiftKey ? -1 : 1)
    else if (event.key === "/") this.input.focus()
    else return
    event.preventDefault()
  }

  wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return
    event.preventDefault()
    const box = this.scroller.getBoundingClientRect(), [from, to] = this.range
    const share = Math.min(1, Math.max(0, (event.clientX - box.left - this.split - 10) / (box.width - this.split - 84)))
    const factor = Math.exp(event.deltaY * 0.003), pivot = from + share * (to - from)
    const width = Math.max(100, Math.min(this.spans.total_ns, (to - from) * factor))
    const start = Math.min(Math.max(0, pivot - share * width), this.spans.total_ns - width)
    this.range = [start, start + width]
    this.later()
  }

  brush(event) {
    const box = this.map.getBoundingClientRect(), total = this.spans.total_ns
    const time = (at) => Math.min(total, Math.max(0, ((at.clientX - box.left) / box.width) * total))
    const first = time(event)
    const move = (next) => {
      const second = time(next)
      if (Math.abs(second - first) < total / 200) return
      this.range = [Math.min(first, second), Math.max(first, second)]
      this.later()
    }
    const end = () => { window.removeEventListener("pointermove", move); window.removeEventListener("pointerup", end) }
    window.addEventListener("pointermove", move)
    window.addEventListener("pointerup", end)
  }
}

export default function ({ data, parentElement, setTriggerValue }) {
  const packed = data.packed instanceof Uint8Array ? data.packed : Uint8Array.from(atob(data.packed), (char) => char.charCodeAt(0))
  instanceOf(Timeline, ".timeline", parentElement).update({ ...data, packed }, (id) => setTriggerValue("selected", id))
}
