/** A certificate authority for one API server: the server's certificate, and a client certificate for each identity. */
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  /** Paths of PEM files. */
  readonly certificate: string;
  readonly key: string;
}

export interface Subject {
  /** CN: to the API server, the user's name. */
  readonly name: string;
  /** O: its groups. */
  readonly groups?: readonly string[];
}

export class Authority {
  readonly #folder: string;
  readonly #own: Certificate;
  #serial = 1;

  /** Files go into this folder. */
  constructor(folder: string) {
    this.#folder = folder;
    writeFileSync(join(folder, 'openssl.cnf'), configuration);
    this.#own = this.#make('ca', { name: 'authority' }, 'authority', []);
  }

  get certificate(): string {
    return this.#own.certificate;
  }

  issue(file: string, subject: Subject): Certificate {
    return this.#make(file, subject, 'leaf', ['-CA', this.#own.certificate, '-CAkey', this.#own.key]);
  }

  #make(file: string, { name, groups = [] }: Subject, extensions: string, signer: readonly string[]): Certificate {
    const made = { certificate: join(this.#folder, `${file}.crt`), key: join(this.#folder, `${file}.key`) };
    writeKeyPair(made.key);
    const subject = [...groups.map(group => `/O=${group}`), `/CN=${name}`].join('');
    const words = ['req', '-x509', '-new', '-config', join(this.#folder, 'openssl.cnf'), '-extensions', extensions];
    const serial = ['-set_serial', String(this.#serial++), '-days', '2'];
    const files = ['-key', made.key, '-out', made.certificate];
    execFileSync('openssl', [...words, '-subj', subject, ...serial, ...files, ...signer], { stdio: 'pipe' });
    return made;
  }
}

/** A private key in PEM; with a second path, its public half too. */
export function writeKeyPair(privatePath: string, publicPath?: string): void {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(privatePath, privateKey.export({ type: 'sec1', format: 'pem' }), { mode: 0o600 });
  if (publicPath !== undefined) writeFileSync(publicPath, publicKey.export({ type: 'spki', format: 'pem' }));
}

const configuration = `
[req]
distinguished_name = nothing
[nothing]
[authority]
basicConstraints = critical,CA:true
[leaf]
basicConstraints = critical,CA:false
extendedKeyUsage = clientAuth,serverAuth
subjectAltName = DNS:localhost,DNS:kubernetes,IP:127.0.0.1
`;
