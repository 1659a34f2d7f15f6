// Runs a script on the 32-bit MicroPython: node run_wasm.mjs MICROPYTHON_MJS ROOT SCRIPT
// protocol/ (with its vectors) is copied into the VM's file system; it runs from the root folder.
import fs from 'fs';
const [vm, root, script] = process.argv.slice(2);
const {loadMicroPython} = await import(vm);
const mp = await loadMicroPython({heapsize: 512 * 1024, stdout: (line) => console.log(line), linebuffer: true});
for (const folder of ['protocol', 'protocol/vectors']) {
  mp.FS.mkdir('/' + folder);
  for (const name of fs.readdirSync(`${root}/${folder}`)) {
    if (/\.(py|json)$/.test(name)) mp.FS.writeFile(`/${folder}/${name}`, fs.readFileSync(`${root}/${folder}/${name}`));
  }
}
mp.runPython('import sys; sys.path.insert(0, "/")');
mp.runPython(fs.readFileSync(script, 'utf8'));
