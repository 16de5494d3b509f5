"""A journey map as one HTML file that works offline: hover for the numbers, click for what is behind one.

The page is the SVG itself; the numbers and their queries travel along as JSON. Nothing is loaded from elsewhere.
"""

from __future__ import annotations

import json
from html import escape

from journeys.map import svg
from journeys.map.content import JourneyMap

_STYLE = """
body{margin:0;background:#fefefc;font:14px 'Liberation Sans',Arial,Helvetica,sans-serif;color:#1b1b1b}
svg{display:block;width:100%;height:auto;max-width:1760px;margin:0 auto}
text[data-key]{cursor:pointer}
text[data-key]:hover,text[data-key]:focus{text-decoration:underline;outline:none}
aside{position:fixed;right:0;top:0;bottom:0;width:min(460px,92vw);background:#fff;border-left:1px solid #bdbdbb;
padding:24px;overflow:auto;box-shadow:-6px 0 24px #0001}
aside[hidden]{display:none}
aside h2{font-size:16px;margin:0 0 12px;word-break:break-word}
aside dl{display:grid;grid-template-columns:auto 1fr;gap:4px 14px;margin:0 0 14px}
aside dt{color:#767676}aside dd{margin:0}
aside pre{background:#f1f1ee;padding:12px;white-space:pre-wrap;font-size:12px}
aside button{float:right;border:0;background:none;font-size:20px;cursor:pointer}
"""

_SCRIPT = """
const data=JSON.parse(document.getElementById('numbers').textContent);
const panel=document.querySelector('aside');
const put=(tag,text,parent)=>{
  const node=document.createElement(tag); node.textContent=text; parent.append(node); return node};
const show=key=>{
  const number=data.numbers[key]; panel.replaceChildren();
  const close=put('button','\\u00d7',panel); close.setAttribute('aria-label','close');
  close.onclick=()=>{panel.hidden=true};
  put('h2',key,panel);
  if(number){
    const list=put('dl','',panel);
    for(const [name,value] of Object.entries(number)){
      if(value===null||value==='')continue; put('dt',name,list); put('dd',String(value),list)}
    const query=data.queries[number.query];
    if(query){put('p',query.models.join(', '),panel);put('pre',query.sql,panel);
      put('pre',JSON.stringify(query.parameters,null,1),panel)}
  }
  if(data.segment_url){const link=put('a',data.segment_label,panel);
    link.href=data.segment_url.replace('{node}',encodeURIComponent(key))}
  else if(data.nodes[key]){put('h2',data.segment_label,panel);put('pre',data.nodes[key],panel)}
  panel.hidden=false};
for(const text of document.querySelectorAll('text[data-key]')){
  text.setAttribute('tabindex','0');
  text.addEventListener('click',()=>show(text.dataset.key));
  text.addEventListener('keydown',event=>{if(event.key==='Enter')show(text.dataset.key)})}
document.addEventListener('keydown',event=>{if(event.key==='Escape')panel.hidden=true});
"""

# Keys of the second map of a comparison; its queries are those of the first with other people.
_COMPARED = "compare:"
_SEGMENT = {"en": "People behind this number", "zh": "该数字背后的人群"}


def document(
    shown: JourneyMap,
    *,
    nodes: dict[str, str] | None = None,
    segment_url: str | None = None,
    compare: JourneyMap | None = None,
) -> str:
    """The page. `nodes` maps keys to the SQL of the people behind; `segment_url` holds `{node}` to link instead."""
    data = {
        "numbers": _numbers(shown) | (_numbers(compare, _COMPARED) if compare else {}),
        "queries": {name: query.model_dump(mode="json") for name, query in shown.queries.items()},
        "nodes": nodes or {},
        "segment_url": segment_url,
        "segment_label": _SEGMENT[shown.lang],
    }
    # `</script>` inside a text must not end the block.
    packed = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    return (
        f'<!doctype html>\n<html lang="{shown.lang}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(shown.headline.sentence)}</title><style>{_STYLE}</style></head>\n<body>\n"
        f"{_pages(shown, compare)}\n<aside hidden></aside>\n"
        f'<script type="application/json" id="numbers">{packed}</script>\n<script>{_SCRIPT}</script>\n</body></html>\n'
    )


def _numbers(shown: JourneyMap, prefix: str = "") -> dict[str, object]:
    return {prefix + key: measure.model_dump(mode="json") for key, measure in shown.numbers()}


def _pages(shown: JourneyMap, compare: JourneyMap | None) -> str:
    """One page, or two below each other whose numbers are told apart by the prefix of their keys."""
    if compare is None:
        return svg.render(shown)
    second = svg.render(compare, beside=shown).replace('data-key="', f'data-key="{_COMPARED}')
    return svg.render(shown, beside=compare) + second
