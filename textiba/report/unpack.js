// Reads packed columns into typed arrays; packing.py writes them.

const TYPES = { i1: Int8Array, i2: Int16Array, i4: Int32Array, f4: Float32Array };
const MISSING = -32768;
const POWER = 3;

async function unpack({ columns, bytes }) {
  const text = atob(bytes);
  const deflated = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) deflated[i] = text.charCodeAt(i); // Uint8Array.from is ten times slower
  const stream = new Blob([deflated]).stream().pipeThrough(new DecompressionStream("gzip"));
  const flat = new Uint8Array(await new Response(stream).arrayBuffer());
  const out = {};
  let start = 0;
  for (const [name, [type, length]] of Object.entries(columns)) {
    const size = TYPES[type].BYTES_PER_ELEMENT;
    out[name] = new TYPES[type](joined(flat, start, length, size).buffer);
    start += length * size;
  }
  return out;
}

// Joins bytes to numbers: the first (lowest) bytes of all numbers come first, then the second bytes, and so on.
function joined(flat, start, length, size) {
  const out = new Uint8Array(length * size);
  for (let byte = 0; byte < size; byte++) {
    const plane = start + byte * length;
    for (let i = 0; i < length; i++) out[i * size + byte] = flat[plane + i];
  }
  return out;
}

// The places where the groups of a column start, and where the last group ends.
function starts(counts) {
  const out = new Int32Array(counts.length + 1);
  for (let i = 0; i < counts.length; i++) out[i + 1] = out[i] + counts[i];
  return out;
}

// The values of a group of quantised numbers; null where a value was missing.
function restored(column, from, to, step) {
  return Array.from(column.subarray(from, to), (whole) => (whole === MISSING ? null : whole ** POWER * step));
}
