// Invented people and things for the demonstration. The identity numbers pass the checksum of
// GB 11643 but begin with a region code that was never given out, so they belong to nobody.

const FAMILY = ['林', '顾', '沈', '叶', '温', '陆', '程', '苏', '方', '白'];
const GIVEN = ['知夏', '南星', '清和', '小满', '望舒', '半夏', '青禾', '云岫', '怀瑾', '听澜'];
const NO_REGION = '990000';
const WEIGHTS = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];

function below(n) {
  return crypto.getRandomValues(new Uint32Array(1))[0] % n;
}

const digits = (n, width) => String(n).padStart(width, '0');

export function checksum(first17) {
  const sum = WEIGHTS.reduce((total, weight, i) => total + weight * Number(first17[i]), 0);
  return '10X98765432'[sum % 11];
}

export function inventPerson() {
  const birthday = `${1955 + below(50)}${digits(1 + below(12), 2)}${digits(1 + below(28), 2)}`;
  const body = `${NO_REGION}${birthday}${digits(below(1000), 3)}`;
  return {
    name: FAMILY[below(FAMILY.length)] + GIVEN[below(GIVEN.length)],
    certificateNo: body + checksum(body),
    phone: `1990000${digits(below(10000), 4)}`,
  };
}

export function randomId(bytes = 12) {
  return [...crypto.getRandomValues(new Uint8Array(bytes))]
    .map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

export const inventOpenId = () => `demo-${randomId(8)}`;

const here = (path) => new URL(path, document.baseURI).href;

export const PICTURES = [
  { label: 'media.report', url: here('media/report.svg') },
  { label: 'media.temperature', url: here('media/temperature.svg') },
  { label: 'media.medicine', url: here('media/medicine.svg') },
];

export const VOICES = [
  { label: 'media.voice1', url: here('media/voice-1.wav') },
  { label: 'media.voice2', url: here('media/voice-2.wav') },
];
