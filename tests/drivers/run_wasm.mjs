// Runs a script on the 32-bit MicroPython with drivers/ on its path: node run_wasm.mjs MICROPYTHON_MJS ROOT SCRIPT
import fs from 'fs';
const [vm, root, script] = process.argv.slice(2);
const {loadMicroPython} = await import(vm);
const mp = await loadMicroPython({heapsize: 512 * 1024, stdout: (line) => console.log(line), linebuffer: true});
mp.FS.mkdir('/drivers');
for (const name of fs.readdirSync(`${root}/drivers`)) {
  if (name.endsWith('.py')) mp.FS.writeFile(`/drivers/${name}`, fs.readFileSync(`${root}/drivers/${name}`));
}
mp.runPython('import sys; sys.path.insert(0, "/")');
mp.runPython(fs.readFileSync(script, 'utf8'));
