// A server of its own that can be ended and started again at the same port, and a proxy that cuts connections.
import { spawn, spawnSync } from 'node:child_process';
import net from 'node:net';

const { MERCHANTRY, MALL_HOME } = process.env;
const START_MS = 120_000;

export function token(email) {
  const done = spawnSync(MERCHANTRY, ['token', '--email', email, '--data-dir', MALL_HOME], { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(done.stderr);
  return done.stdout.trim();
}

export class Server {
  port = 0;

  async start() {
    const options = ['--port', `${this.port}`, '--data-dir', MALL_HOME, '--development', '--budget', '0'];
    this.process = spawn(MERCHANTRY, ['serve', ...options], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    const address = await new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`the server didn't start:\n${said}`)), START_MS);
      const hear = (chunk) => {
        said += chunk;
        const found = said.match(/Serving http:\/\/[^:]+:(\d+)/);
        if (found) resolve(found[1]);
        if (found) clearTimeout(late);
      };
      this.process.stdout.on('data', hear);
      this.process.stderr.on('data', hear);
      this.process.on('exit', () => reject(new Error(`the server ended:\n${said}`)));
    });
    this.port = Number(address);
  }

  async end(signal) {
    const ended = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.kill(signal);
    await ended;
  }
}

export class Proxy {
  sockets = new Set();
  cuts = 0;

  async start(server) {
    this.listening = net.createServer((near) => {
      const far = net.connect(server.port, '127.0.0.1');
      for (const [one, other] of [[near, far], [far, near]]) {
        one.pipe(other);
        one.on('error', () => other.destroy());
        one.on('close', () => other.destroy());
      }
      this.sockets.add(near);
      near.on('close', () => this.sockets.delete(near));
    });
    await new Promise((resolve) => this.listening.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${this.listening.address().port}/graphql`;
  }

  // Whatever is under way is lost, in the middle of a message too.
  cut() {
    this.cuts += 1;
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  end() {
    this.cut();
    this.listening.close();
  }
}
