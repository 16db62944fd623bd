import { connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2';
import { connect } from 'node:net';
import { withoutName } from '../images.ts';
import { bytesOf, field, fieldsOf } from './protobuf.ts';
import type { Login } from '../servers/token-server.ts';

/** The end of a gRPC call: status 0 with the answer's message, or another with the text kubelet would show. */
export type GrpcAnswer =
  { readonly status: 0; readonly message: Buffer } | { readonly status: number; readonly text: string };

/** An image as the runtime lists it (runtime.v1.Image). */
export interface CriImage {
  readonly id: string;
  readonly repoTags: readonly string[];
  readonly repoDigests: readonly string[];
}

/** The image half of the Container Runtime Interface over a unix socket: what kubelet asks of containerd. */
export class CriImages {
  readonly #socket: string;

  constructor(socket: string) {
    this.#socket = socket;
  }

  /** PullImage, with what an imagePullSecret holds: gives the image reference (its id), or how it failed. */
  async pull(
    image: string,
    login?: Login,
  ): Promise<{ readonly ref: string } | { readonly status: number; readonly text: string }> {
    const secret = login && field(2, Buffer.concat([field(1, login.username), field(2, login.password)]));
    const answer = await this.#call(
      'PullImage',
      Buffer.concat([imageSpec(image), secret ?? Buffer.alloc(0)]),
    );
    if (!('message' in answer)) return answer;
    return { ref: strings(answer.message, 1)[0] ?? '' };
  }

  /** ImageStatus: undefined if the runtime has no such image. */
  async status(image: string): Promise<CriImage | undefined> {
    const answer = await this.#must('ImageStatus', imageSpec(image));
    return bytesOf(fieldsOf(answer), 1).map(imageOf)[0];
  }

  /** What the runtime recorded of an image: its id and the digests it was pulled by. Empty if there is none. */
  async records(image: string): Promise<readonly string[]> {
    const found = await this.status(image);
    return found === undefined ? [] : [found.id, ...found.repoDigests.map(withoutName)];
  }

  /** ListImages. */
  async list(): Promise<CriImage[]> {
    return bytesOf(fieldsOf(await this.#must('ListImages', Buffer.alloc(0))), 1).map(imageOf);
  }

  /** RemoveImage: also when there is none. */
  async remove(image: string): Promise<void> {
    await this.#must('RemoveImage', imageSpec(image));
  }

  async #must(method: string, request: Buffer): Promise<Buffer> {
    const answer = await this.#call(method, request);
    if ('message' in answer) return answer.message;
    throw new Error(`${method}: ${answer.status} ${answer.text}`);
  }

  async #call(method: string, request: Buffer): Promise<GrpcAnswer> {
    const session = connectHttp2('http://localhost', { createConnection: () => connect(this.#socket) });
    try {
      return await new Promise<GrpcAnswer>((resolve, reject) => {
        session.on('error', reject);
        const stream = session.request({
          ':method': 'POST',
          ':path': `/runtime.v1.ImageService/${method}`,
          'content-type': 'application/grpc',
          te: 'trailers',
        });
        let end: IncomingHttpHeaders = {};
        const chunks: Buffer[] = [];
        // An answer without a message carries its status in the headers, every other one in the trailers.
        stream.on('response', (headers) => {
          end = headers;
        });
        stream.on('trailers', (trailers: IncomingHttpHeaders) => {
          end = trailers;
        });
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('error', reject);
        stream.on('end', () => resolve(answerOf(end, Buffer.concat(chunks))));
        stream.end(framed(request));
      });
    } finally {
      session.destroy();
    }
  }
}

/** gRPC's frame: not compressed, the length in four bytes, the message. */
function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function answerOf(end: IncomingHttpHeaders, body: Buffer): GrpcAnswer {
  const status = Number(end['grpc-status']);
  if (status === 0) return { status, message: body.subarray(5, 5 + body.readUInt32BE(1)) };
  const text = end['grpc-message'];
  return { status, text: typeof text === 'string' ? decodeURIComponent(text) : '' };
}

/** A request whose field 1 is the ImageSpec, whose field 1 is the image's name. */
function imageSpec(image: string): Buffer {
  return field(1, field(1, image));
}

function strings(message: Buffer, number: number): string[] {
  return bytesOf(fieldsOf(message), number).map((bytes) => bytes.toString());
}

function imageOf(message: Buffer): CriImage {
  return {
    id: strings(message, 1)[0] ?? '',
    repoTags: strings(message, 2),
    repoDigests: strings(message, 3),
  };
}
