// A flame graph on a canvas: widths are time, the root on top. A click opens a part of it, a click above closes it.
// Data: {frames: [[parent, label, service, colour, inclusive_ns, exclusive_ns, spans], …], total_ns}, parents first.
const ROW_PX = 22

class Flame {
  constructor(root) {
    this.root = root
    this.canvas = make("canvas")
    this.tip = make("div", "tip")
    this.scroller = make("div", "scroller")
    this.scroller.append(this.canvas)
    root.replaceChildren(this.scroller, this.tip)
    this.zoomed = -1
    this.hover = -1
    this.canvas.addEventListener("pointermove", (event) => this.over(event))
    this.canvas.addEventListener("pointerleave", () => { this.tip.style.display = "none"; this.hover = -1; this.draw() })
    this.canvas.addEventListener("click", (event) => { this.zoomed = this.at(event) === this.zoomed ? -1 : this.at(event); this.draw() })
    this.resize = new ResizeObserver(() => this.draw())
    this.resize.observe(root)
    root.flame = this // a handle for tests: what is on a canvas cannot be queried
  }

  update(data) {
    const text = JSON.stringify(data)
    if (text === this.drawn) return
    this.drawn = text
    this.frames = data.frames.map(([parent, label, service, colour, inclusive, exclusive, spans], at) => ({ at, parent, label, service, colour, inclusive, exclusive, spans, below: [] }))
    this.total = data.total_ns
    this.roots = []
    for (const frame of this.frames) (frame.parent < 0 ? this.roots : this.frames[frame.parent].below).push(frame)
    for (const list of [this.roots, ...this.frames.map((frame) => frame.below)]) list.sort((a, b) => b.inclusive - a.inclusive)
    if (this.zoomed >= this.frames.length) this.zoomed = -1
    this.draw()
  }

  place(list, from, width, depth) {
    for (const frame of list) {
      const wide = (frame.inclusive / this.scale) * width
      if (wide >= 0.5) {
        this.boxes.push({ frame, x: from, y: depth * ROW_PX, width: wide })
        this.place(frame.below, from, width, depth + 1)
      }
      from += wide
    }
  }

  draw() {
    const width = this.scroller.clientWidth
    if (!width || !this.frames) return
    this.boxes = []
    const above = []
    for (let at = this.zoomed; at >= 0; at = this.frames[at].parent) above.unshift(this.frames[at])
    if (above.length) {
      const open = above.pop()
      above.forEach((frame, depth) => this.boxes.push({ frame, x: 0, y: depth * ROW_PX, width, faint: true }))
      this.scale = open.inclusive
      this.place([open], 0, width, above.length)
    } else {
      this.scale = this.roots.reduce((sum, frame) => sum + frame.inclusive, 0) || 1
      this.place(this.roots, 0, width, 0)
    }
    const height = Math.max(ROW_PX, ...this.boxes.map((box) => box.y + ROW_PX)), ratio = window.devicePixelRatio || 1
    this.canvas.width = width * ratio
    this.canvas.height = height * ratio
    this.canvas.style.width = `${width}px`
    this.canvas.style.height = `${height}px`
    const pen = this.canvas.getContext("2d"), style = getComputedStyle(this.root)
    const ink = style.getPropertyValue("--st-text-color"), font = style.getPropertyValue("--st-font") || "sans-serif"
    pen.scale(ratio, ratio)
    pen.textBaseline = "middle"
    pen.font = `12px ${font}`
    for (const { frame, x, y, width: wide, faint } of this.boxes) {
      pen.globalAlpha = faint ? 0.25 : frame.at === this.hover ? 0.75 : 0.45
      pen.fillStyle = frame.colour
      pen.fillRect(x, y, Math.max(wide - 1, 0.5), ROW_PX - 1)
      pen.globalAlpha = 1
      if (wide < 34) continue
      pen.save()
      pen.beginPath()
      pen.rect(x, y, wide - 4, ROW_PX)
      pen.clip()
      pen.fillStyle = ink
      pen.fillText(`${plain(frame.service)}  ${plain(frame.label)}`, x + 6, y + ROW_PX / 2)
      pen.restore()
    }
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top
    const hit = this.boxes.find((one) => x >= one.x && x < one.x + one.width && y >= one.y && y < one.y + ROW_PX)
    return hit ? hit.frame.at : -1
  }

  over(event) {
    this.hover = this.at(event)
    this.draw()
    if (this.hover < 0) { this.tip.style.display = "none"; return }
    const frame = this.frames[this.hover], share = (ns) => `${((100 * ns) / this.total).toFixed(1)} %`
    showTip(this.tip, this.root, event, [
      `${frame.service}  ${frame.label}`,
      `${share(frame.inclusive)} of the time is here or below: ${duration(frame.inclusive)}`,
      `${share(frame.exclusive)} is here itself: ${duration(frame.exclusive)}`,
      `${frame.spans.toLocaleString()} spans`,
    ])
  }
}

export default function ({ data, parentElement }) {
  instanceOf(Flame, ".flame", parentElement).update(data)
}
