// Writes the tables of Unicode normalisation. See README.md.
import fs from 'fs';

const char = String.fromCodePoint;
const hex = point => point.toString(16).toUpperCase();
const points = text => [...text].map(c => c.codePointAt(0));
const isSurrogate = point => point >= 0xD800 && point < 0xE000;

const classes = new Map();
for (const line of fs.readFileSync(process.argv[2], 'utf8').split('\n')) {
  const fields = line.split(';');
  if (fields.length > 3 && fields[3] !== '0') classes.set(parseInt(fields[0], 16), Number(fields[3]));
}

// One mark per class, to find the class of marks that the file does not know: marks of different classes get sorted, equal ones do not.
const samples = new Map();
for (const [point, number] of classes)
  if (!samples.has(number) && char(point).normalize('NFD') === char(point)) samples.set(number, char(point));
for (let point = 0x300; point < 0x110000; point++) {
  if (isSurrogate(point)) continue;
  const mark = char(point);
  if (!/\p{M}/u.test(mark) || classes.has(point) || mark.normalize('NFD') !== mark) continue;
  let equal = null, isSorted = false;
  for (const [number, sample] of samples) {
    const moves = ('a' + mark + sample).normalize('NFD') !== 'a' + mark + sample || ('a' + sample + mark).normalize('NFD') !== 'a' + sample + mark;
    if (moves) isSorted = true;
    else equal = number;
  }
  if (isSorted) classes.set(point, equal);
}

const lines = [
  `# Unicode ${process.versions.unicode}. Canonical combining classes: "M first-last class". Full decompositions, code points in hex: "C" canonical and a primary composite,`,
  '# "X" canonical and excluded from composition, "K" compatibility. Hangul syllables are computed. Made by tests/tools/make-normalization.mjs from Unicode data (Unicode License v3).',
];
const marks = [...classes].sort((a, b) => a[0] - b[0]);
for (let i = 0; i < marks.length;) {
  let j = i;
  while (j + 1 < marks.length && marks[j + 1][0] === marks[j][0] + 1 && marks[j + 1][1] === marks[i][1]) j++;
  lines.push(`M ${hex(marks[i][0])}${j > i ? '-' + hex(marks[j][0]) : ''} ${marks[i][1]}`);
  i = j + 1;
}

for (let point = 0x80; point < 0x110000; point++) {
  if (isSurrogate(point) || (point >= 0xAC00 && point <= 0xD7A3)) continue;
  const text = char(point), canonical = text.normalize('NFD'), compatible = text.normalize('NFKD');
  if (canonical !== text) lines.push(`${text.normalize('NFC') === text ? 'C' : 'X'} ${hex(point)} ${points(canonical).map(hex).join(' ')}`);
  if (compatible !== canonical) lines.push(`K ${hex(point)} ${points(compatible).map(hex).join(' ')}`);
}

process.stdout.write(lines.join('\n') + '\n');
