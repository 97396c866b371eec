/**
 * `GET /`: one page without any outside file. It reads /v1/status on each event, and every two seconds for what moves without one;
 * with a token it sends it as everybody else does, which is why it reads the event stream by fetch and not by EventSource.
 */

const style = `
:root{color-scheme:light dark;--ink:#16202b;--dim:#5d6b7a;--paper:#f6f7f9;--card:#fff;--line:#dfe4ea;--source:#8a97a6;--target:#1b7f79;--warn:#b25e09;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ink:#e8edf2;--dim:#93a1b0;--paper:#10161d;--card:#18212b;--line:#2a3642;--source:#6b7a8a;--target:#3fb8af;--warn:#e6a04b;--bad:#f2827b}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:62rem;margin:0 auto;padding:1.5rem 1rem 3rem}
header{display:flex;flex-wrap:wrap;gap:.4rem 1rem;align-items:baseline;margin-bottom:1rem}
h1{font-size:1.35rem;margin:0}
h2{font-size:.8rem;letter-spacing:.06em;text-transform:uppercase;color:var(--dim);margin:0 0 .6rem;font-weight:600}
section{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:1rem 1.1rem}
.grid{display:grid;gap:.9rem;grid-template-columns:repeat(auto-fit,minmax(17rem,1fr))}
.wide{grid-column:1/-1}
ol.phases{display:flex;flex-wrap:wrap;gap:.4rem;list-style:none;margin:0;padding:0}
ol.phases li{padding:.15rem .8rem;border:1px solid var(--line);border-radius:1rem;color:var(--dim)}
ol.phases li[aria-current]{background:var(--target);border-color:var(--target);color:var(--card);font-weight:600}
.bar{display:flex;height:1.1rem;border-radius:.3rem;overflow:hidden;background:var(--line);margin:.2rem 0 .4rem}
.bar i{display:block;transition:width .4s}
.bar .s{background:var(--source)}.bar .t{background:var(--target)}
dl{display:grid;grid-template-columns:auto 1fr;gap:.15rem 1rem;margin:0}
dt{color:var(--dim)}dd{margin:0;text-align:right;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
ul{margin:0;padding-left:1.1rem}.dim{color:var(--dim)}.warn{color:var(--warn)}.bad{color:var(--bad)}
table{border-collapse:collapse;width:100%;font-size:.9rem}td{padding:.15rem .6rem .15rem 0;vertical-align:top}td:first-child{white-space:nowrap;color:var(--dim)}
form{display:flex;gap:.5rem;margin-bottom:1rem}input{flex:1;font:inherit;padding:.3rem .6rem;border:1px solid var(--line);border-radius:.4rem;background:var(--card);color:inherit}
button{font:inherit;padding:.3rem .9rem;border:1px solid var(--line);border-radius:.4rem;background:var(--card);color:inherit}
[hidden]{display:none}
`

const body = `
<main>
<header><h1>Ferry</h1><span id="state" class="dim">connecting…</span><span id="version" class="dim"></span></header>
<form id="login" hidden><input id="token" type="password" autocomplete="off" placeholder="Token with the role read" aria-label="Token"><button>Open</button></form>
<div class="grid">
<section class="wide"><h2>Phase</h2><ol class="phases" id="phases"></ol></section>
<section class="wide"><h2>Reads</h2><div class="bar" role="img" id="split"><i class="s"></i><i class="t"></i></div><div id="splitText" class="dim"></div></section>
<section class="wide"><h2>Mover</h2><div class="bar" role="img" id="progress"><i class="t"></i></div><div id="progressText" class="dim"></div></section>
<section><h2>Sides</h2><dl id="sides"></dl></section>
<section><h2>Traffic</h2><dl id="traffic"></dl></section>
<section><h2>Journal</h2><dl id="journal"></dl></section>
<section><h2>In the way of the next step</h2><div id="blockers"></div></section>
<section class="wide"><h2>Latest events</h2><table><tbody id="events"></tbody></table></section>
</div>
</main>
`

const script = `
const get=id=>document.getElementById(id), number=new Intl.NumberFormat('en')
const phases=['observe','mirror','canary','cutover','complete']
let token=sessionStorage.getItem('ferry-token')||'', lastId=0, pending=null
const headers=()=>token?{authorization:'Bearer '+token}:{}
const pairs=(id,rows)=>get(id).replaceChildren(...rows.flatMap(([name,value,mark])=>{
  const dt=document.createElement('dt'),dd=document.createElement('dd');dt.textContent=name;dd.textContent=value;if(mark)dd.className=mark;return[dt,dd]}))
const bytes=n=>{const u=['B','kB','MB','GB','TB'];let i=0;while(n>=1000&&i<4){n/=1000;i++}return n.toFixed(i?1:0)+' '+u[i]}
const time=s=>s==null?'?':s<60?Math.round(s)+' s':s<3600?Math.floor(s/60)+' min '+Math.round(s%60)+' s':Math.floor(s/3600)+' h '+Math.round(s%3600/60)+' min'
function show(s){
  get('state').textContent=s.state.replace('_',' ')+' · authority: '+s.authority
  get('version').textContent='version '+s.version+' · up '+time(s.uptimeSeconds)
  get('phases').replaceChildren(...phases.map(name=>{const li=document.createElement('li');li.textContent=name;if(name===s.phase)li.setAttribute('aria-current','step');return li}))
  const share=s.traffic.readMode==='new'?100:s.traffic.readMode==='ratio'?s.traffic.readPercentage:s.traffic.readMode==='old'?0:null
  const shown=share==null?(s.authority==='target'?100:0):share
  get('split').children[0].style.width=(100-shown)+'%';get('split').children[1].style.width=shown+'%'
  get('splitText').textContent=share==null?s.traffic.readMode+': both sides are asked':(100-shown)+' % source, '+shown+' % target ('+s.traffic.readMode+')'
  const m=s.mover,done=m.keysTotal?Math.min(100,m.keysScanned/m.keysTotal*100):m.state==='done'?100:0
  get('progress').children[0].style.width=done+'%'
  get('progressText').textContent=m.state+(m.pass?' ('+m.pass+')':'')+': '+number.format(m.keysScanned)+' of '+number.format(m.keysTotal)+' keys, '+bytes(m.bytesCopied)+', '+
    number.format(Math.round(m.keysPerSecond))+' keys/s'+(m.state==='running'?', '+time(m.etaSeconds)+' left':'')+(m.keysFailed?', '+number.format(m.keysFailed)+' failed':'')+(m.throttle?' · throttled: '+m.throttle:'')
  pairs('sides',['source','target'].flatMap(side=>{const x=s[side];return[[side,x.state+(x.server?' · '+x.server:''),x.state==='up'?'':'bad'],['',x.url,'dim'],['in flight',number.format(x.inFlight)]].concat(x.lastError&&x.state!=='up'?[['',x.lastError,'bad']]:[])}))
  pairs('traffic',[['write policy',s.traffic.writePolicy],['clients',number.format(s.clients)],['commands',number.format(s.commandsTotal)],['errors of Ferry',number.format(s.clientErrorsTotal),s.clientErrorsTotal?'bad':''],['divergences',number.format(s.divergencesTotal),s.divergencesTotal?'bad':''],['longest hold',s.holdWaitMaxMs.toFixed(1)+' ms']])
  pairs('journal',[['dirty keys',number.format(s.journal.dirtyKeys),s.journal.dirtyKeys?'warn':''],['open holds',number.format(s.journal.openHolds)],['healed',number.format(s.journal.healed)],['failed',number.format(s.journal.failed),s.journal.failed?'bad':''],['covered',s.coveragePercent.toFixed(1)+' %'],['last check',s.verification.at==null?'none':s.verification.differences+' differences']].concat(s.journal.resyncNeeded?[['copy again',s.journal.resyncNeeded,'bad']]:[]))
  const list=document.createElement(s.blockers.length?'ul':'p');list.style.margin=0
  if(s.blockers.length)list.replaceChildren(...s.blockers.map(text=>{const li=document.createElement('li');li.textContent=text;return li}))
  else list.textContent='Nothing.'+(s.nextSteps.length?' Next: '+s.nextSteps.join(', '):'')
  get('blockers').replaceChildren(list)
}
async function refresh(){
  pending=null
  try{
    const answer=await fetch('/v1/status',{headers:headers(),cache:'no-store'})
    get('login').hidden=answer.status!==401
    if(answer.ok)show(await answer.json());else get('state').textContent=answer.status===401?'needs a token':'answered '+answer.status
  }catch{get('state').textContent='Ferry does not answer'}
}
const soon=()=>{pending??=setTimeout(refresh,150)}
function addEvent(event){
  lastId=event.id
  const row=document.createElement('tr')
  for(const text of [new Date(event.at).toLocaleTimeString(),event.kind,event.message+(event.reason?' ('+event.reason+')':'')]){const cell=document.createElement('td');cell.textContent=text;row.append(cell)}
  get('events').prepend(row)
  while(get('events').children.length>20)get('events').lastChild.remove()
  soon()
}
async function follow(){
  try{
    const answer=await fetch('/v1/events?after='+lastId,{headers:headers()})
    if(answer.ok){
      const reader=answer.body.pipeThrough(new TextDecoderStream()).getReader();let text=''
      for(;;){
        const {done,value}=await reader.read();if(done)break
        text+=value
        for(let end;(end=text.indexOf('\\n\\n'))>=0;text=text.slice(end+2)){const line=text.slice(0,end).split('\\n').find(l=>l.startsWith('data: '));if(line)addEvent(JSON.parse(line.slice(6)))}
      }
    }
  }catch{}
  setTimeout(follow,2000)
}
get('login').addEventListener('submit',event=>{event.preventDefault();token=get('token').value;sessionStorage.setItem('ferry-token',token);refresh()})
refresh();follow();setInterval(refresh,2000)
`

export const statusPage = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>Ferry</title><style>${style}</style></head>
<body>${body}<script>${script}</script></body>
</html>
`
