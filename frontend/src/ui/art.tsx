/**
 * A small still life for each product: the object that its name mentions, in colours determined by
 * its slug.
 */
import type { ReactNode } from 'react';

const PALETTES: [ground: string, light: string, deep: string, spark: string][] = [
  ['#efe3d3', '#fbf6ee', '#1f5d4c', '#d98e4a'],
  ['#dfe7df', '#f8fbf6', '#37526b', '#c9694d'],
  ['#f1dfd6', '#fdf5f0', '#7a3f35', '#3c7a68'],
  ['#dde4ee', '#f6f9fd', '#2f4466', '#d9a441'],
  ['#ece7d4', '#fbf9ef', '#59602f', '#b5593b'],
  ['#e8dfe9', '#faf5fb', '#56406b', '#cf8a5b'],
];

/** Shapes on a field of 100 by 100; a: light, b: deep, c: spark. */
const SHAPES: [words: string[], (a: string, b: string, c: string) => ReactNode][] = [
  [['mug'], (a, b, c) => <><path d="M66 44h7a10 10 0 0 1 0 22h-7" fill="none" stroke={b} strokeWidth="5" /><path d="M30 36h37v30a10 10 0 0 1-10 10H40a10 10 0 0 1-10-10z" fill={a} stroke={b} strokeWidth="3" /><path d="M30 36h37v5H30z" fill={b} /><circle cx="48" cy="57" r="6" fill={c} /></>],
  [['kettle'], (a, b, c) => <><path d="M36 44c0-18 28-18 28 0" fill="none" stroke={b} strokeWidth="4" /><path d="M34 46h32l5 30H29z" fill={a} stroke={b} strokeWidth="3" strokeLinejoin="round" /><path d="M31 66c-10 0-6-22-15-24" fill="none" stroke={b} strokeWidth="4" strokeLinecap="round" /><circle cx="50" cy="41" r="4" fill={c} /></>],
  [['grinder'], (a, b, c) => <><path d="M50 28V20h22" fill="none" stroke={b} strokeWidth="4" strokeLinecap="round" /><circle cx="73" cy="20" r="5" fill={c} /><path d="M36 46a14 16 0 0 1 28 0z" fill={b} /><path d="M34 48h32v30H34z" fill={a} stroke={b} strokeWidth="3" /><path d="M42 62h16v8H42z" fill={c} /></>],
  [['press'], (a, b, c) => <><path d="M50 34V20" stroke={b} strokeWidth="4" /><circle cx="50" cy="19" r="5" fill={c} /><path d="M32 34h34v42H32z" fill={a} stroke={b} strokeWidth="3" /><path d="M33 54h32v21H33z" fill={b} opacity=".85" /><path d="M66 42h9v24h-9" fill="none" stroke={b} strokeWidth="4" /></>],
  [['cups'], (a, b, c) => <>{[[26, 40], [54, 40], [26, 64], [54, 64]].map(([x = 0, y = 0], i) => <g key={i}><path d={`M${x} ${y}h20v5a9 9 0 0 1-20 0z`} fill={i % 3 === 0 ? a : c} stroke={b} strokeWidth="2.500" /><path d={`M${x - 4} ${y + 16}h28`} stroke={b} strokeWidth="2.500" strokeLinecap="round" /></g>)}</>],
  [['skillet', 'pan'], (a, b, c) => <><path d="M62 60l24 18" stroke={b} strokeWidth="8" strokeLinecap="round" /><circle cx="45" cy="48" r="27" fill={b} /><circle cx="45" cy="48" r="21" fill={b} stroke={a} strokeOpacity=".25" strokeWidth="2" /><path d="M37 44c6-8 20-2 17 6s-12 8-17 4-4-6 0-10z" fill={a} /><circle cx="46" cy="49" r="5" fill={c} /></>],
  [['knife'], (a, b, c) => <><path d="M22 66L70 22c8 10 2 24-12 34L46 66z" fill={a} stroke={b} strokeWidth="3" strokeLinejoin="round" transform="rotate(6 50 50)" /><path d="M40 66l-20 16" stroke={c} strokeWidth="9" strokeLinecap="round" /></>],
  [['board'], (a, b, c) => <><rect x="26" y="22" width="48" height="58" rx="8" fill={c} /><rect x="31" y="27" width="38" height="48" rx="5" fill="none" stroke={a} strokeWidth="2.500" opacity=".8" /><circle cx="50" cy="33" r="3" fill={b} /><path d="M38 48h24M38 58h24" stroke={a} strokeWidth="2" opacity=".5" /></>],
  [['apron'], (a, b, c) => <><path d="M42 24c0 12 16 12 16 0" fill="none" stroke={b} strokeWidth="3" /><path d="M40 26h20l4 18h8v36H28V44h8z" fill={a} stroke={b} strokeWidth="3" strokeLinejoin="round" /><path d="M38 56h24v12H38z" fill={c} /></>],
  [['wraps', 'wrap'], (a, b, c) => <><circle cx="42" cy="46" r="20" fill={c} /><circle cx="58" cy="56" r="20" fill={a} stroke={b} strokeWidth="3" /><path d="M50 50l8 5 8-5v9l-8 5-8-5z" fill="none" stroke={b} strokeWidth="2.500" strokeLinejoin="round" /></>],
  [['basket'], (a, b, c) => <><path d="M30 48a20 15 0 0 1 40 0z" fill={a} stroke={b} strokeWidth="3" /><path d="M42 40l6 6M52 37l6 7" stroke={b} strokeWidth="2.500" strokeLinecap="round" /><path d="M24 50h52l-7 26H31z" fill={c} stroke={b} strokeWidth="3" strokeLinejoin="round" /><path d="M27 59h46M30 68h40" stroke={b} strokeWidth="2" opacity=".5" /></>],
  [['oil'], (a, b, c) => <><path d="M44 20h12v14c10 4 10 10 10 16v24a6 6 0 0 1-6 6H40a6 6 0 0 1-6-6V50c0-6 0-12 10-16z" fill={b} /><rect x="38" y="50" width="24" height="20" rx="2" fill={a} /><path d="M50 54c6 6 4 11 0 11s-6-5 0-11z" fill={c} /></>],
  [['blanket'], (a, b, c) => <><path d="M24 34h46a8 8 0 0 1 0 16H24zM24 50h46a8 8 0 0 1 0 16H24zM24 66h46a6 6 0 0 1 0 12H24z" fill={a} stroke={b} strokeWidth="3" strokeLinejoin="round" /><path d="M34 34v16M42 34v16M34 50v16M42 50v16M34 66v12M42 66v12" stroke={c} strokeWidth="4" /></>],
  [['lamp'], (a, b, c) => <><path d="M34 80h28M48 79L36 54l22-18" fill="none" stroke={b} strokeWidth="4" strokeLinecap="round" strokeLinejoin="round" /><path d="M52 28l22 14-16 10z" fill={c} stroke={b} strokeWidth="3" strokeLinejoin="round" transform="rotate(-8 60 38)" /><circle cx="68" cy="55" r="9" fill={a} opacity=".9" /></>],
  [['notebook'], (a, b, c) => <><rect x="30" y="20" width="42" height="60" rx="4" fill={b} /><path d="M36 20v60" stroke={a} strokeWidth="2" opacity=".6" /><rect x="44" y="32" width="20" height="10" rx="1" fill={a} /><path d="M64 20v60" stroke={c} strokeWidth="4" /></>],
  [['pen'], (a, b, c) => <g transform="rotate(40 50 50)"><rect x="44" y="16" width="12" height="44" rx="6" fill={b} /><path d="M44 58h12l-6 24z" fill={c} stroke={b} strokeWidth="2" strokeLinejoin="round" /><path d="M50 66v10" stroke={b} strokeWidth="2" /><path d="M57 20v22" stroke={a} strokeWidth="3" strokeLinecap="round" /></g>],
  [['keyboard'], (a, b, c) => <><rect x="16" y="36" width="68" height="32" rx="5" fill={b} />{[0, 1, 2].map((row) => [0, 1, 2, 3, 4, 5, 6].map((col) => <rect key={`${row}-${col}`} x={20 + col * 8.800} y={40 + row * 8.500} width="7" height="6.500" rx="1.500" fill={row === 1 && col === 2 ? c : a} />))}</>],
  [['speaker'], (a, b, c) => <>{[24, 54].map((x) => <g key={x}><rect x={x} y="22" width="24" height="56" rx="4" fill={c} stroke={b} strokeWidth="2.500" /><circle cx={x + 12} cy="37" r="5" fill={a} stroke={b} strokeWidth="2.500" /><circle cx={x + 12} cy="60" r="9" fill={b} /><circle cx={x + 12} cy="60" r="3" fill={a} /></g>)}</>],
  [['backpack'], (a, b, c) => <><path d="M42 28v-4a8 8 0 0 1 16 0v4" fill="none" stroke={b} strokeWidth="4" /><path d="M30 44a20 18 0 0 1 40 0v34H30z" fill={c} stroke={b} strokeWidth="3" strokeLinejoin="round" /><rect x="36" y="54" width="28" height="18" rx="3" fill={a} stroke={b} strokeWidth="2.500" /><path d="M36 60h28" stroke={b} strokeWidth="2.500" /></>],
  [['bottle'], (a, b, c) => <><rect x="43" y="16" width="14" height="10" rx="3" fill={b} /><path d="M42 28h16c6 4 8 8 8 14v34a6 6 0 0 1-6 6H40a6 6 0 0 1-6-6V42c0-6 2-10 8-14z" fill={a} stroke={b} strokeWidth="3" /><path d="M35 50h30v14H35z" fill={c} /></>],
  [['bell'], (a, b, c) => <><path d="M28 58a22 22 0 0 1 44 0z" fill={c} stroke={b} strokeWidth="3" /><rect x="24" y="58" width="52" height="7" rx="3.500" fill={b} /><circle cx="50" cy="33" r="4" fill={b} /><path d="M70 48l12-6" stroke={b} strokeWidth="4" strokeLinecap="round" /><path d="M37 52a14 14 0 0 1 8-8" fill="none" stroke={a} strokeWidth="3" strokeLinecap="round" /></>],
  [['jacket'], (a, b, c) => <><path d="M40 24h20l16 12-4 26-8-2v20H36V60l-8 2-4-26z" fill={c} stroke={b} strokeWidth="3" strokeLinejoin="round" /><path d="M40 24a10 9 0 0 0 20 0" fill={a} stroke={b} strokeWidth="3" /><path d="M50 34v46" stroke={b} strokeWidth="2.500" strokeDasharray="4 3" /></>],
  [['hammock'], (a, b, c) => <><path d="M20 16v66M80 16v66" stroke={b} strokeWidth="5" strokeLinecap="round" /><path d="M20 34c16 34 44 34 60 0-14 50-46 50-60 0z" fill={c} stroke={b} strokeWidth="2.500" strokeLinejoin="round" /><circle cx="60" cy="26" r="6" fill={a} /></>],
  [['sundial'], (a, b, c) => <><ellipse cx="50" cy="56" rx="30" ry="22" fill={c} stroke={b} strokeWidth="3" /><ellipse cx="50" cy="56" rx="22" ry="15" fill="none" stroke={a} strokeWidth="2" /><path d="M50 56l18-26v26z" fill={b} /><path d="M50 56l-16 8" stroke={b} strokeWidth="2.500" strokeLinecap="round" opacity=".6" /></>],
];

function seed(text: string): number {
  let hash = 2_166_136_261;
  for (const letter of text) hash = Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 16_777_619) >>> 0;
  return hash;
}

export function Art({ slug }: { slug: string }) {
  const number = seed(slug);
  const [ground, light, deep, spark] = PALETTES[number % PALETTES.length] ?? ['#eee', '#fff', '#333', '#888'];
  const words = slug.split('-');
  const draw = SHAPES.find(([names]) => names.some((name) => words.includes(name)))?.[1];
  return (
    <svg className="art" viewBox="0 0 100 100" preserveAspectRatio="xMidYMid slice" aria-hidden="true" focusable="false">
      <rect width="100" height="100" fill={ground} />
      <circle cx={24 + (number % 52)} cy={30 + (number % 17)} r="34" fill={light} opacity=".6" />
      <ellipse cx="50" cy="84" rx="30" ry="4" fill={deep} opacity=".14" />
      {draw ? draw(light, deep, spark) : <Vessel number={number} a={light} b={deep} c={spark} />}
    </svg>
  );
}

/** A pot whose outline the number determines, for products without a drawing. */
function Vessel({ number, a, b, c }: { number: number; a: string; b: string; c: string }) {
  const at = (shift: number, from: number, to: number) => from + ((number >>> shift) % (to - from));
  const [lip, neck, belly, foot] = [at(0, 8, 18), at(5, 6, 14), at(9, 18, 30), at(13, 10, 18)];
  const half = `C${50 + neck} 40 ${50 + belly} 44 ${50 + belly} 58 C${50 + belly} 72 ${50 + foot} 74 ${50 + foot} 82`;
  const back = `C${50 - foot} 74 ${50 - belly} 72 ${50 - belly} 58 C${50 - belly} 44 ${50 - neck} 40 ${50 - lip} 24`;
  return (
    <>
      <path d={`M${50 + lip} 24 ${half} L${50 - foot} 82 ${back}Z`} fill={a} stroke={b} strokeWidth="3" strokeLinejoin="round" />
      <path d={`M${50 - belly + 3} 58h${2 * belly - 6}`} stroke={c} strokeWidth="5" />
    </>
  );
}
