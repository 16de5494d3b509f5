"""A journey map as one HTML file that works offline: hover for the numbers, click for what is behind one.

The page is the SVG itself; the numbers, their queries and the segments behind them travel along as JSON. Nothing is
loaded from elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from html import escape
from typing import Any

from journeys import behind
from journeys.map import nodes, svg
from journeys.map.content import JourneyMap

People = Callable[[JourneyMap, str], str]

_STYLE = """
body{margin:0;background:#fefefc;font:14px 'Liberation Sans',Arial,Helvetica,sans-serif;color:#1b1b1b}
svg{display:block;width:100%;height:auto;max-width:1760px;margin:0 auto}
text[data-key]{cursor:pointer}
text[data-key]:hover,text[data-key]:focus{text-decoration:underline;outline:none}
aside{position:fixed;right:0;top:0;bottom:0;width:min(460px,92vw);box-sizing:border-box;background:#fff;
border-left:1px solid #bdbdbb;padding:24px;overflow:auto;box-shadow:-6px 0 24px #0001}
aside[hidden]{display:none}
aside h2{font-size:16px;margin:0 0 12px;word-break:break-word}
aside h3{font-size:13px;margin:16px 0 6px;color:#4d4d4d}
aside dl{display:grid;grid-template-columns:auto 1fr;gap:4px 14px;margin:0 0 14px}
aside dt{color:#767676}aside dd{margin:0}
aside pre{background:#f1f1ee;padding:12px;margin:0;white-space:pre-wrap;word-break:break-word;font-size:12px}
aside button{float:right;border:0;background:none;font-size:20px;cursor:pointer}
#tip{position:fixed;pointer-events:none;background:#1b1b1b;color:#fff;font-size:12.5px;line-height:1.5;padding:7px 11px;
border-radius:4px;max-width:340px;white-space:pre-line;z-index:2}
#tip[hidden]{display:none}
@media print{aside,#tip{display:none}}
"""

_SCRIPT = """
const data=JSON.parse(document.getElementById('numbers').textContent);
const panel=document.querySelector('aside');
const put=(tag,text,parent)=>{
  const node=document.createElement(tag); node.textContent=text; parent.append(node); return node};
const plain=value=>typeof value==='number'?+value.toPrecision(4):value;
const tip=document.getElementById('tip');
const find=key=>{
  const cut=key.startsWith('compare:'), map=data.maps[cut?1:0], name=cut?key.slice(8):key;
  return [map,name,map.numbers[name]]};
const shown=number=>{
  const share=number.unit.startsWith('share');
  const one=value=>value===null?'\\u2013':share?+(100*value).toFixed(1)+' %':plain(value).toLocaleString();
  const value=one(number.value)+(share||number.value===null?'':' '+number.unit);
  return [value,number.low===null?data.words.exact:one(number.low)+' \\u2013 '+one(number.high)]};
const show=key=>{
  const [map,name,number]=find(key); panel.replaceChildren(); tip.hidden=true;
  const close=put('button','\\u00d7',panel); close.setAttribute('aria-label','close');
  close.onclick=()=>{panel.hidden=true};
  put('h2',name,panel);
  if(number){
    const list=put('dl','',panel);
    const line=(term,text)=>{put('dt',term,list); put('dd',text,list)};
    const [value,interval]=shown(number);
    line(data.words.value,value);
    line('n',number.n.toLocaleString());
    line(data.words.interval,interval);
    line(data.words.method,number.method);
    line(data.words.models,number.models.join(', '))}
  if(map.segments[name]){
    put('h3',data.words.segment,panel);
    put('pre',map.segments[name],panel)}
  if(map.people[name]){
    put('h3',data.words.people,panel);
    put('pre',map.people[name],panel)}
  if(number&&number.reads.length){
    const tables=number.reads.map(read=>read+'_rows as (\\n'+map.queries[read].statement.trim()+'\\n)');
    put('h3','SQL',panel);
    put('pre',number.cell?'with '+tables.join(',\\n')+'\\n'+number.cell:map.queries[number.reads[0]].statement,panel)}
  panel.hidden=false};
const hover=event=>{
  const number=find(event.currentTarget.dataset.key)[2]; if(!number)return;
  const [value,interval]=shown(number);
  tip.textContent=value+'\\nn = '+number.n.toLocaleString()+'\\n'+
    (number.low===null?'':data.words.interval+': ')+interval;
  tip.hidden=false;
  tip.style.left=Math.min(event.clientX+14,innerWidth-tip.offsetWidth-8)+'px';
  tip.style.top=Math.min(event.clientY+16,innerHeight-tip.offsetHeight-8)+'px'};
for(const text of document.querySelectorAll('text[data-key]')){
  text.setAttribute('tabindex','0');
  text.querySelector('title')?.remove();
  text.addEventListener('mousemove',hover);
  text.addEventListener('mouseleave',()=>{tip.hidden=true});
  text.addEventListener('click',()=>show(text.dataset.key));
  text.addEventListener('keydown',event=>{if(event.key==='Enter')show(text.dataset.key)})}
document.addEventListener('keydown',event=>{if(event.key==='Escape')panel.hidden=true});
"""

# In front of the keys of the second map of a comparison.
COMPARED = "compare:"
_WORDS = {
    "en": {
        "value": "value",
        "interval": "95 % interval",
        "exact": "counted, not sampled",
        "models": "models",
        "method": "method",
        "segment": "The segment behind this number",
        "people": "The people behind this number",
    },
    "zh": {
        "value": "数值",
        "interval": "95 % 区间",
        "exact": "全部计数，无抽样误差",
        "models": "数据模型",
        "method": "方法",
        "segment": "该数字对应的人群定义",
        "people": "该数字对应的人",
    },
}


def document(shown: JourneyMap, *, people: People | None = None, compare: JourneyMap | None = None) -> str:
    """The page. `people` tells how to get the people behind a number of a map, by its key."""
    maps = [shown] if compare is None else [shown, compare]
    data = {"maps": [_behind(each, people) for each in maps], "words": _WORDS[shown.lang]}
    # `</script>` inside a text must not end the block.
    packed = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    return (
        f'<!doctype html>\n<html lang="{shown.lang}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(shown.headline.sentence)}</title><style>{_STYLE}</style></head>\n<body>\n"
        f'{_pages(shown, compare)}\n<aside hidden></aside><div id="tip" hidden></div>\n'
        f'<script type="application/json" id="numbers">{packed}</script>\n<script>{_SCRIPT}</script>\n</body></html>\n'
    )


def _behind(shown: JourneyMap, people: People | None) -> dict[str, Any]:
    """What a click shows: numbers, queries, the definition of a segment where there is one, how to get the people."""
    segments: dict[str, str] = {}
    listed: dict[str, str] = {}
    for key, _ in shown.numbers():
        if not nodes.has_people(key):
            continue
        condition = behind.of_audience(shown.audience, behind.of_map(key), shown.as_of)
        if condition is not None:
            segments[key] = json.dumps(condition, ensure_ascii=False, indent=1)
        if people is not None:
            listed[key] = people(shown, key)
    for row in shown.interventions:
        if row.segment is not None:
            segments[f"intervention.{row.key}"] = row.segment.where
    queries = {name: query.model_dump(mode="json") for name, query in shown.queries.items()}
    return {"numbers": shown.traced_numbers(), "queries": queries, "segments": segments, "people": listed}


def _pages(shown: JourneyMap, compare: JourneyMap | None) -> str:
    """One page, or two below each other whose numbers are told apart by the prefix of their keys."""
    if compare is None:
        return svg.render(shown)
    second = svg.render(compare, beside=shown).replace('data-key="', f'data-key="{COMPARED}')
    return svg.render(shown, beside=compare) + second
