import type { Config } from '../config/config.ts';

const url = /^https?:\/\/(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:\/[A-Za-z0-9._~%:/-]*)?$/;
const location = /^((?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?)(?:\/[A-Za-z0-9._:/-]*)?$/;
const anyAddress = ['0.0.0.0', '::', ''];
const loopback = ['127.0.0.1', 'localhost', '[::1]'];

/** How clients name the gate: by `public_url`, else by where it listens. */
export class GateAddress {
  /** Scheme, host and port of each name; never empty. */
  readonly origins: readonly string[];

  constructor({ publicUrl, listen, tls }: Pick<Config, 'publicUrl' | 'listen' | 'tls'>) {
    this.origins = publicUrl === undefined ? listening(listen, tls.length > 0) : [new URL(publicUrl).origin];
  }

  /** Takes an address as containerd and k3s have it, https where no scheme is named; says whether it is the gate. */
  isUrl(text: string): boolean {
    const named = text.startsWith('http') ? text : `https://${text}`;
    // Ours and Go's parser may read a strange address differently; only what both read alike is the gate.
    return url.test(named) && this.origins.includes(originOf(named));
  }

  /** Takes `host[:port][/path]`, as containers/image has it; says whether it is the gate. */
  isLocation(text: string): boolean {
    const authority = location.exec(text)?.[1];
    if (authority === undefined) return false;
    return this.origins.some((origin) => originOf(`${new URL(origin).protocol}//${authority}`) === origin);
  }
}

function listening({ host, port }: Config['listen'], secure: boolean): string[] {
  const bare = host.replace(/^\[|\]$/g, '');
  const local = anyAddress.includes(bare) || loopback.includes(host) || bare === '::1';
  const hosts = local ? loopback : [bare.includes(':') ? `[${bare}]` : bare];
  return hosts.map((name) => originOf(`${secure ? 'https' : 'http'}://${name}:${port}`));
}

function originOf(text: string): string {
  return URL.canParse(text) ? new URL(text).origin : '';
}
