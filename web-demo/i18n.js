// The page's own words, each in Chinese and in English, side by side so that none is forgotten.
// Names, notices and error sentences come from the server and are shown as they came.

const WORDS = {
  'app.hospital': ['示例互联网医院', 'Example Internet Hospital'],
  'app.title': ['图文咨询演示', 'Online consultation demo'],
  'app.language': ['English', '中文'],
  'app.language.label': ['Switch to English', '切换到中文'],
  'app.skip': ['跳到主要内容', 'Skip to the main content'],
  'app.views': ['界面', 'Views'],
  'pane.patient': ['患者手机', 'Patient\'s phone'],
  'pane.doctor': ['医生工作台', 'Doctor\'s desk'],
  'pane.frames': ['报文', 'Frames'],

  'net.signed-out': ['未登录', 'Signed out'],
  'net.connecting': ['正在连接', 'Connecting'],
  'net.syncing': ['正在补齐消息', 'Catching up'],
  'net.online': ['实时在线', 'Live'],
  'net.waiting': ['{s} 秒后重连', 'Retry in {s} s'],
  'net.offline': ['已断网', 'Offline'],
  'net.stopped': ['连接已停止', 'Stopped'],
  'net.switch': ['网络', 'Network'],
  'net.switch.patient': ['患者手机的网络', 'The phone\'s network'],
  'net.switch.doctor': ['医生工作台的网络', 'The desk\'s network'],
  'net.retry': ['立即重连', 'Reconnect now'],
  'net.banner.offline': ['网络已断开。发出的消息会在恢复后自动送达。', 'No network. What you send goes out once it is back.'],
  'net.banner.waiting': ['连接中断，正在自动恢复…', 'The connection was lost. Recovering…'],
  'net.banner.syncing': ['正在补齐离线期间的消息…', 'Fetching what happened meanwhile…'],
  'net.banner.stopped': ['服务器关闭了连接（{code}）。', 'The server closed the connection ({code}).'],
  'net.error': ['网络不可用，请检查连接后重试', 'The network is not available. Please check and try again.'],
  'net.timeout': ['服务器没有及时回应，请重试', 'The server did not answer in time. Please try again.'],
  'net.bad': ['服务器的回应无法识别', 'The server\'s answer could not be read.'],

  'common.back': ['返回', 'Back'],
  'common.cancel': ['取消', 'Cancel'],
  'common.close': ['关闭', 'Close'],
  'common.retry': ['重试', 'Try again'],
  'common.delete': ['删除', 'Delete'],
  'common.loading': ['正在加载', 'Loading'],
  'common.failed': ['加载失败', 'Could not be loaded'],
  'common.male': ['男', 'Male'],
  'common.female': ['女', 'Female'],
  'common.age': ['{n}岁', 'age {n}'],
  'common.required': ['请填写这一项', 'Please fill this in'],
  'common.expired': ['登录已过期，请重新登录', 'Your sign-in has run out. Please sign in again.'],

  'status.01': ['待支付', 'Awaiting payment'],
  'status.02': ['已取消', 'Cancelled'],
  'status.03': ['待回复', 'Awaiting reply'],
  'status.04': ['咨询中', 'In consultation'],
  'status.05': ['已过期', 'Expired'],
  'status.06': ['退款中', 'Refund requested'],
  'status.07': ['已完成', 'Completed'],
  'status.08': ['过期已退款', 'Expired, refunded'],
  'status.09': ['已退款', 'Refunded'],

  'welcome.title': ['在家，也能问医生', 'Ask a doctor, from home'],
  'welcome.text': ['图文咨询，48 小时内由医生亲自回复。', 'Write to a doctor and have a personal answer within 48 hours.'],
  'welcome.openid': ['微信标识（演示用，随机生成）', 'WeChat openId (invented for the demo)'],
  'welcome.signup': ['注册并登录', 'Sign up and enter'],
  'welcome.signin': ['已注册，直接登录', 'Already registered? Sign in'],
  'welcome.another': ['换一个', 'Another'],
  'welcome.note': ['演示环境：人物与证件均为虚构，不产生真实费用。', 'A demonstration: all people and papers are invented, no money moves.'],

  'tab.home': ['首页', 'Home'],
  'tab.chats': ['消息', 'Messages'],
  'tab.me': ['我的', 'Me'],
  'home.hello': ['您好', 'Hello'],
  'home.what': ['今天想咨询哪一科？', 'Which department today?'],
  'home.search': ['搜索医生姓名', 'Search for a doctor'],
  'home.all': ['全部科室', 'All'],
  'home.doctors': ['推荐医生', 'Doctors'],
  'home.none': ['没有找到医生', 'No doctor found'],
  'home.none.text': ['换一个科室或关键字试试。', 'Try another department or word.'],
  'doctor.open': ['可咨询', 'Available'],
  'doctor.closed': ['暂停接诊', 'Not taking patients'],
  'doctor.closed.text': ['这位医生暂时关闭了图文咨询，请选择其他医生。', 'This doctor has closed consultations for now. Please choose another.'],
  'doctor.hot': ['热门', 'Popular'],
  'doctor.per': ['/ 次', 'each'],
  'doctor.about': ['医生简介', 'About'],
  'doctor.about.none': ['暂无简介。', 'No introduction yet.'],
  'doctor.promise': ['服务说明', 'What you get'],
  'doctor.promise.1': ['付款后 48 小时内有效，最多三次回复', 'Up to three replies within 48 hours of payment'],
  'doctor.promise.2': ['医生未回复，费用原路退还', 'Money back if the doctor does not reply'],
  'doctor.promise.3': ['病历信息仅接诊医生可见', 'Only this doctor sees your record'],
  'doctor.ask': ['图文咨询', 'Consult now'],
  'doctor.title': ['医生', 'Doctor'],

  'patients.title': ['就诊人', 'Patients'],
  'patients.add': ['添加就诊人', 'Add a patient'],
  'patients.none': ['还没有就诊人', 'No patient yet'],
  'patients.none.text': ['添加本人或家人，即可发起咨询。', 'Add yourself or a relative to begin.'],
  'patients.delete': ['删除就诊人“{name}”？', 'Remove {name}?'],
  'patients.deleted': ['已删除', 'Removed'],
  'patient.name': ['姓名', 'Name'],
  'patient.certificate': ['身份证号', 'ID card number'],
  'patient.phone': ['手机号', 'Mobile number'],
  'patient.invent': ['填入虚构就诊人', 'Fill in an invented person'],
  'patient.invent.text': ['号码按国家标准的校验规则生成，不对应任何真实的人。', 'The number carries a valid checksum and belongs to nobody.'],
  'patient.save': ['保存', 'Save'],
  'patient.saved': ['就诊人已添加', 'Patient added'],
  'patient.derived': ['出生日期与性别由证件号算出', 'Birthday and sex are read from the number'],

  'order.title': ['填写咨询', 'Your consultation'],
  'order.for': ['就诊人', 'Patient'],
  'order.reason': ['咨询目的', 'Purpose'],
  'order.content': ['病情描述', 'What is the matter?'],
  'order.content.hint': ['请描述症状、持续时间、用药情况（最多 2000 字）', 'Symptoms, since when, any medicine taken (up to 2,000 characters)'],
  'order.example': ['填入示例', 'Fill in an example'],
  'order.example.text': ['近一周晚上咳嗽，白天较轻，没有发热，已服用止咳糖浆两天，效果不明显。', 'A cough at night for a week, milder by day, no fever. Two days of cough syrup helped little.'],
  'order.images': ['图片资料', 'Pictures'],
  'order.images.hint': ['可附化验单、患处照片（演示图片）', 'Test reports or photos (demo pictures)'],
  'order.images.add': ['添加图片', 'Add a picture'],
  'order.images.remove': ['移除这张图片', 'Remove this picture'],
  'order.submit': ['提交并支付', 'Submit and pay'],
  'order.choose': ['请选择就诊人', 'Please choose a patient'],
  'order.fee': ['咨询费', 'Fee'],
  'order.no': ['订单编号', 'Order no.'],
  'order.created': ['下单时间', 'Ordered'],
  'order.paid': ['付款时间', 'Paid'],
  'order.doctor': ['接诊医生', 'Doctor'],
  'order.detail': ['咨询订单', 'Consultation order'],
  'order.pay': ['去支付', 'Pay'],
  'order.cancel': ['取消订单', 'Cancel the order'],
  'order.cancel.ask': ['确定取消这笔订单？', 'Cancel this order?'],
  'order.refund': ['申请退款', 'Ask for a refund'],
  'order.refund.ask': ['医生尚未回复，确定申请退款？', 'The doctor has not replied. Ask for your money back?'],
  'order.refund.text': ['咨询随即结束，费用原路退还。', 'The consultation ends at once and the fee is returned.'],
  'order.complete': ['结束咨询', 'End chat'],
  'order.complete.ask': ['确定结束本次咨询？', 'End this consultation?'],
  'order.complete.text': ['结束后双方都不能再发送消息。', 'After that neither side can write.'],
  'order.keep': ['再想想', 'Not now'],
  'order.yes': ['确定', 'Yes'],
  'order.chat': ['进入咨询', 'Open the chat'],
  'order.again': ['再次咨询', 'Consult again'],
  'orders.title': ['我的订单', 'My orders'],
  'orders.none': ['还没有订单', 'No orders yet'],
  'orders.none.text': ['选择一位医生，发起第一次咨询。', 'Choose a doctor to begin.'],

  'pay.title': ['支付咨询费', 'Payment'],
  'pay.sandbox': ['沙箱支付', 'Sandbox payment'],
  'pay.sandbox.text': ['这是演示用的支付渠道，不会产生真实费用。', 'A payment provider for demonstrations: no real money moves.'],
  'pay.now': ['确认支付 {fee}', 'Pay {fee}'],
  'pay.no': ['支付单号', 'Trade no.'],
  'pay.done': ['支付成功', 'Paid'],

  'chats.title': ['消息', 'Messages'],
  'chats.none': ['还没有消息', 'No messages yet'],
  'chats.none.text': ['付款后，与医生的对话会出现在这里。', 'After payment your chat with the doctor appears here.'],
  'chats.system': ['系统消息', 'System messages'],
  'chats.empty': ['暂无消息', 'Nothing yet'],
  'chats.unread': ['{n} 条未读', '{n} unread'],
  'me.title': ['我的', 'Me'],
  'me.account': ['当前账号', 'Account'],
  'me.restart': ['换一位患者重新开始', 'Start over as another patient'],

  'chat.placeholder': ['输入消息…', 'Write a message…'],
  'chat.message': ['消息内容', 'Message'],
  'chat.send': ['发送', 'Send'],
  'chat.image': ['发送图片', 'Send a picture'],
  'chat.voice': ['发送语音', 'Send a voice message'],
  'chat.image.pick': ['选择一张演示图片', 'Choose a demo picture'],
  'chat.voice.pick': ['选择一段演示语音', 'Choose a demo voice message'],
  'chat.address': ['或粘贴网络地址（http / https）', 'or paste an address (http / https)'],
  'chat.address.send': ['发送地址', 'Send address'],
  'chat.typing': ['对方正在输入…', 'Typing…'],
  'chat.online': ['在线', 'Online'],
  'chat.offline': ['不在线', 'Offline'],
  'chat.seen': ['最后在线 {time}', 'Last seen {time}'],
  'chat.read': ['已读', 'Read'],
  'chat.delivered': ['已送达', 'Delivered'],
  'chat.sending': ['发送中', 'Sending'],
  'chat.queued': ['等待网络', 'Waiting for network'],
  'chat.failed': ['未送达', 'Not sent'],
  'chat.retract': ['撤回', 'Retract'],
  'chat.retract.label': ['撤回这条消息', 'Retract this message'],
  'chat.retracted.own': ['您撤回了一条消息', 'You retracted a message'],
  'chat.retracted.other': ['对方撤回了一条消息', 'A message was retracted'],
  'chat.edit': ['重新编辑', 'Edit again'],
  'chat.resend': ['重新发送', 'Send again'],
  'chat.earlier': ['查看更早的消息', 'Earlier messages'],
  'chat.latest': ['新消息', 'New messages'],
  'chat.picture': ['图片', 'Picture'],
  'chat.picture.bad': ['图片无法显示', 'Picture unavailable'],
  'chat.open.picture': ['放大查看图片', 'View the picture'],
  'chat.voice.play': ['播放语音', 'Play the voice message'],
  'chat.voice.pause': ['暂停语音', 'Pause'],
  'chat.voice.bad': ['语音无法播放', 'Voice unavailable'],
  'chat.empty': ['还没有消息', 'No messages yet'],
  'chat.log': ['对话内容', 'Conversation'],
  'chat.left': ['剩余', 'Time left'],
  'chat.over': ['已到期', 'Time is up'],
  'chat.replies.user': ['医生还可回复 {n} 次', 'Replies left: {n}'],
  'chat.replies.doctor': ['还可回复 {n} 次', 'Replies left: {n}'],
  'chat.no.replies': ['三次回复已用完；撤回一条，可再回复一次。', 'All three replies are used. Retract one to reply again.'],
  'chat.ended': ['本次咨询：{status}', 'This consultation: {status}'],
  'chat.unpaid': ['订单待支付，付款后即可对话。', 'Awaiting payment. You can write once it is paid.'],
  'chat.unpaid.doctor': ['患者尚未付款。', 'The patient has not paid yet.'],
  'chat.system.only': ['系统消息，无需回复', 'System messages need no reply'],
  'chat.type.02': ['处方', 'Prescription'],
  'chat.type.03': ['检查', 'Examination'],
  'chat.type.04': ['检验', 'Laboratory'],
  'chat.order': ['咨询单 {no}', 'Consultation {no}'],
  'chat.today': ['今天', 'Today'],
  'media.report': ['血常规报告', 'Blood count'],
  'media.temperature': ['体温记录', 'Temperature chart'],
  'media.medicine': ['在用药品', 'Current medicine'],
  'media.voice1': ['语音一', 'Voice 1'],
  'media.voice2': ['语音二', 'Voice 2'],

  'desk.signin': ['医生登录', 'Doctor sign-in'],
  'desk.signin.text': ['登录后接收新的咨询，并在 48 小时内回复患者。', 'Receive consultations and answer patients within 48 hours.'],
  'desk.sn': ['工号', 'Staff number'],
  'desk.password': ['密码', 'Password'],
  'desk.enter': ['登录工作台', 'Sign in'],
  'desk.demo': ['演示工号', 'Demo staff numbers'],
  'desk.demo.text': ['三位演示医生，密码均为 123456', 'Three demo doctors, password 123456'],
  'desk.signout': ['退出', 'Sign out'],
  'desk.list': ['咨询列表', 'Consultations'],
  'desk.filter.all': ['全部', 'All'],
  'desk.filter.wait': ['待回复', 'Waiting'],
  'desk.filter.open': ['咨询中', 'Open'],
  'desk.filter.done': ['已结束', 'Ended'],
  'desk.none': ['暂无咨询', 'No consultations'],
  'desk.none.text': ['患者付款后，咨询会立刻出现在这里。', 'They appear here the moment a patient pays.'],
  'desk.none.filter': ['这一类暂无咨询', 'None of this kind'],
  'desk.pick': ['请选择一位患者', 'Choose a patient'],
  'desk.pick.text': ['在左侧列表中选择一项咨询，查看病历并回复。', 'Pick a consultation on the left to read the record and reply.'],
  'desk.new': ['新的咨询：{name}', 'New consultation: {name}'],
  'desk.view': ['查看', 'Open'],
  'desk.file': ['患者资料', 'Patient file'],
  'desk.file.show': ['查看患者资料', 'Show the patient file'],
  'desk.case': ['本次咨询', 'This consultation'],
  'desk.history': ['历次咨询', 'Earlier consultations'],
  'desk.certificate': ['证件号', 'ID number'],
  'desk.birthday': ['出生日期', 'Born'],
  'desk.card': ['就诊卡号', 'Card no.'],
  'desk.card.none': ['未绑定', 'none'],
  'desk.closed': ['您的图文咨询已关闭，患者暂时不能下单。', 'Your consultations are closed: patients cannot order.'],
  'desk.node': ['节点 {host}', 'Node {host}'],

  'frames.title': ['通信报文', 'Frames going by'],
  'frames.pause': ['暂停', 'Pause'],
  'frames.resume': ['继续', 'Go on'],
  'frames.clear': ['清空', 'Clear'],
  'frames.patient': ['患者', 'Patient'],
  'frames.doctor': ['医生', 'Doctor'],
  'frames.ping': ['含心跳', 'Pings'],
  'frames.none': ['还没有报文', 'No frames yet'],
  'frames.none.text': ['任意一侧登录后，请求、应答与推送会依次出现。', 'Requests, answers and pushes appear once a side signs in.'],
  'frames.count': ['{n} 条', '{n}'],
  'frames.missed': ['已暂停，另有 {n} 条未显示', 'Paused, {n} more not shown'],
  'frames.out': ['发出', 'sent'],
  'frames.in': ['收到', 'received'],
  'frames.answer': ['应答', 'answer'],
  'frames.opened': ['连接已建立', 'socket opened'],
  'frames.closed': ['连接已关闭', 'socket closed'],
};

const LANGUAGES = ['zh', 'en'];
// Notices carry the hospital's own time, so the page shows times in that zone too.
const HOSPITAL_ZONE = 'Asia/Shanghai';
const listeners = new Set();
let current = localStorage.getItem('consultd.language') === 'en' ? 'en' : 'zh';

export function language() {
  return current;
}

export function setLanguage(name) {
  current = LANGUAGES.includes(name) ? name : 'zh';
  localStorage.setItem('consultd.language', current);
  for (const listener of listeners) {
    listener();
  }
}

export function onLanguage(listener) {
  listeners.add(listener);
}

export function t(key, values = {}) {
  const pair = WORDS[key];
  if (!pair) {
    throw new Error(`no words for ${key}`);
  }
  return pair[LANGUAGES.indexOf(current)].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
}

export function has(key) {
  return key in WORDS;
}

/** Fen, as an amount of yuan. */
export function money(fen) {
  return `¥${((Number(fen) || 0) / 100).toFixed(2)}`;
}

const locale = () => (current === 'zh' ? 'zh-CN' : 'en-GB');

function format(iso, options) {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? ''
    : new Intl.DateTimeFormat(locale(), { timeZone: HOSPITAL_ZONE, ...options }).format(date);
}

export function dayOf(iso) {
  return format(iso, { year: 'numeric', month: '2-digit', day: '2-digit' });
}

export function clockOf(iso) {
  return format(iso, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
}

export function dayLabel(iso) {
  return dayOf(iso) === dayOf(new Date()) ? t('chat.today')
    : format(iso, { month: current === 'zh' ? 'numeric' : 'short', day: 'numeric' });
}

/** For lists: the hour today, the day before that. */
export function shortTime(iso) {
  if (!iso) {
    return '';
  }
  return dayOf(iso) === dayOf(new Date()) ? clockOf(iso) : dayLabel(iso);
}

export function fullTime(iso) {
  return iso ? `${dayOf(iso)} ${clockOf(iso)}` : '';
}

export function ageOf(birthday) {
  const born = new Date(birthday);
  if (Number.isNaN(born.getTime())) {
    return null;
  }
  const now = new Date();
  const before = now.getMonth() < born.getMonth()
    || (now.getMonth() === born.getMonth() && now.getDate() < born.getDate());
  return now.getFullYear() - born.getFullYear() - (before ? 1 : 0);
}

/** 47:59:12 from milliseconds. */
export function span(ms) {
  const all = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, '0');
  return `${two(Math.floor(all / 3600))}:${two(Math.floor(all / 60) % 60)}:${two(all % 60)}`;
}
