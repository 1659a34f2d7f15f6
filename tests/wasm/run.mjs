// A board on the 32-bit MicroPython: node run.mjs MICROPYTHON_MJS HEAP_BYTES BOARD_DIR STUBS_DIR [SCRIPT ...]
// Copies the files in, runs the scripts one after the other (garbage is collected between), then each line of
// standard input; answers every line with what it printed and a line "done". "rx HEX" puts bytes into /rx.bin.
import fs from 'fs';
import readline from 'readline';
const [vm, heap, board, stubs, ...scripts] = process.argv.slice(2);
const {loadMicroPython} = await import(vm);
const mp = await loadMicroPython({heapsize: Number(heap), stdout: (line) => console.log(line), linebuffer: true});

function copy(from, to) {
  for (const entry of fs.readdirSync(from, {withFileTypes: true})) {
    const target = `${to}/${entry.name}`;
    if (entry.isDirectory()) {
      if (!mp.FS.analyzePath(target).exists) mp.FS.mkdir(target);
      copy(`${from}/${entry.name}`, target);
    } else {
      mp.FS.writeFile(target, fs.readFileSync(`${from}/${entry.name}`));
    }
  }
}

function run(text) {
  try {
    mp.runPython(text);
  } catch (error) {
    console.log(error.message);
    process.exit(1);
  }
}

copy(board, '');
mp.FS.mkdir('/stubs');
copy(stubs, '/stubs');
mp.runPython('import sys; sys.path[:] = ["", "/stubs", "/lib", ".frozen"]');
for (const script of scripts) run(fs.readFileSync(script, 'utf8'));
console.log('ready');
for await (const line of readline.createInterface({input: process.stdin})) {
  if (line.startsWith('rx ')) mp.FS.writeFile('/rx.bin', Buffer.from(line.slice(3), 'hex'));
  else run(line);
  console.log('done');
}
