// A phone in a web page, without the page: JsSIP over WebSocket. The media are
// a stub, only their SDP is real.
//
//   node client.js callee ws://10.77.0.2:8080 USER HOST
//   node client.js caller ws://10.77.0.2:8080 USER HOST TARGET CALLS
//
// The callee registers, prints "registered", answers every call and goes on
// until it is killed. The caller registers, sends a long MESSAGE and an OPTIONS, makes its
// calls one after the other, unregisters, prints "done" and ends.
'use strict';
const [role, url, user, host, target, calls] = process.argv.slice(2);

const sdp = setup => `v=0\r\no=- 4962303333179871722 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n` +
  `m=audio 9 UDP/TLS/RTP/SAVPF 111 8 101\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:7Fl4\r\n` +
  `a=ice-pwd:12NKhDlwrCFD5gcGhs2CQUJ8\r\na=fingerprint:sha-256 ${'AB:'.repeat(31)}CD\r\na=setup:${setup}\r\na=mid:0\r\n` +
  `a=sendrecv\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n`;

class PeerConnection {
  constructor() {
    Object.assign(this, { iceGatheringState: 'complete', iceConnectionState: 'connected', signalingState: 'stable',
      connectionState: 'connected', localDescription: null });
  }
  addEventListener() {}
  removeEventListener() {}
  close() {}
  addTrack() {}
  getSenders() { return []; }
  getReceivers() { return []; }
  async createOffer() { return { type: 'offer', sdp: sdp('actpass') }; }
  async createAnswer() { return { type: 'answer', sdp: sdp('active') }; }
  async setLocalDescription(d) { this.localDescription = d; }
  async setRemoteDescription(d) { this.remoteDescription = d; }
}
global.RTCPeerConnection = PeerConnection;
global.RTCSessionDescription = class { constructor(d) { Object.assign(this, d); } };
global.RTCIceCandidate = class {};
global.window = global;
const stream = { getTracks: () => [], getAudioTracks: () => [], getVideoTracks: () => [] };

const JsSIP = require('jssip');
const WebSocketInterface = require('jssip-node-websocket');

const ua = new JsSIP.UA({ sockets: [new WebSocketInterface(url)], uri: `sip:${user}@${host}`, register: true, register_expires: 120,
  session_timers: false, user_agent: 'heptap-lab jssip' });
const fail = what => { console.log('failed:', what); process.exit(1); };
ua.on('registrationFailed', e => fail(`register: ${e.cause}`));
setTimeout(() => fail('it takes too long'), 120000).unref();

let begun = false;
ua.on('registered', () => {
  if (begun) return; // again, after a while
  begun = true;
  console.log('registered');
  if (role === 'caller') {
    ua.sendMessage(`sip:${target}@${host}`, 'hello ' + 'long text '.repeat(800));
    ua.sendOptions(`sip:${host}`, '');
    call(1);
  }
});
ua.on('newRTCSession', ({ originator, session }) => {
  if (originator === 'remote') setTimeout(() => session.answer({ mediaStream: stream, pcConfig: {} }), 50);
});
ua.on('newMessage', ({ originator, message }) => { if (originator === 'remote') message.accept(); });

function call(n) {
  if (n > Number(calls)) {
    ua.unregister();
    ua.on('unregistered', () => { ua.stop(); console.log('done'); setTimeout(() => process.exit(0), 500); });
    return;
  }
  const session = ua.call(`sip:${target}@${host}`, { mediaStream: stream, pcConfig: {}, eventHandlers: {
    confirmed: () => setTimeout(() => session.terminate(), 300),
    ended: () => setTimeout(() => call(n + 1), 50),
    failed: e => fail(`call ${n}: ${e.cause}`),
  } });
}
ua.start();
