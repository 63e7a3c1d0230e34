// A mask in colours, without touching its pixels.
//
// The server sends a grey PNG of class ids. A grey PNG and a PNG with a palette hold the same pixel
// bytes, so the head of the file is written anew, with the colours of the classes that are shown:
// the browser's own decoder does the rest.

const HEAD = 33; // bytes of the signature and IHDR
const COLOR_TYPE = 25; // its place in the file; 0 is grey, 3 has a palette

const CRC = new Uint32Array(256).map((_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

function crc32(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = CRC[(value ^ byte) & 255] ^ (value >>> 8);
  return ~value >>> 0;
}

function chunk(type, content) {
  const bytes = new Uint8Array(content.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  bytes.set([...type].map((letter) => letter.charCodeAt(0)), 4);
  bytes.set(content, 8);
  view.setUint32(content.length + 8, crc32(bytes.subarray(4, content.length + 8)));
  return bytes;
}

// png: Uint8Array of a grey PNG; classes: [{color: [r, g, b], shown}], by id; opacity: 0 to 1.
// Ids without a class are clear.
export function colored(png, classes, opacity) {
  const palette = new Uint8Array(256 * 3);
  const alpha = new Uint8Array(256);
  classes.forEach((one, id) => {
    palette.set(one.color, id * 3);
    alpha[id] = one.shown ? Math.round(opacity * 255) : 0;
  });
  const header = png.slice(16, HEAD - 4);
  header[COLOR_TYPE - 16] = 3;
  const parts = [png.subarray(0, 8), chunk("IHDR", header), chunk("PLTE", palette)];
  return new Blob([...parts, chunk("tRNS", alpha), png.subarray(HEAD)], { type: "image/png" });
}
