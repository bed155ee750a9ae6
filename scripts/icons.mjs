/** Draws the icons of the installed page from public/favicon.svg: `node scripts/icons.mjs`. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensureChromium } from "./lib/chromium.mjs";
import { kib, main, say } from "./lib/main.mjs";
import { ROOT } from "./lib/paths.mjs";

const PUBLIC = join(ROOT, "public");

/**
 * `isWhole`: it fills its square to the corners, because the device cuts it into the shape of its other icons. The mark is
 * well within the middle four fifths, of which no shape may take anything.
 * @type {{ name: string, size: number, isWhole: boolean }[]}
 */
const ICONS = [
  { name: "icon-192.png", size: 192, isWhole: false },
  { name: "icon-512.png", size: 512, isWhole: false },
  { name: "icon-maskable-192.png", size: 192, isWhole: true },
  { name: "icon-maskable-512.png", size: 512, isWhole: true },
  { name: "apple-touch-icon.png", size: 180, isWhole: true },
];

await main(async () => {
  const executablePath = await ensureChromium();
  const { chromium } = await import("playwright-core");
  const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  const browser = await chromium.launch({ executablePath, args });
  try {
    const page = await browser.newPage();
    for (const { name, size, isWhole } of ICONS) {
      await page.setViewportSize({ width: size, height: size });
      await page.setContent(`<style>body { margin: 0 }</style>${picture(size, isWhole)}`);
      const png = await page.screenshot({ omitBackground: true });
      writeFileSync(join(PUBLIC, name), png);
      say(`public/${name}: ${kib(png.length)}`);
    }
  } finally {
    await browser.close();
  }
});

function picture(size, isWhole) {
  const svg = readFileSync(join(PUBLIC, "favicon.svg"), "utf8");
  const sized = svg.replace(
    "<svg ",
    `<svg width="${size}" height="${size}" style="display: block" `,
  );
  return isWhole ? sized.replace(/ rx="\d+"/, "") : sized;
}
