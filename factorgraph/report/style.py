"""The look of a report: by day and by night, on paper and on a small screen."""

STYLE = """\
:root { color-scheme: light dark; --ink: #1c2430; --dim: #5d6877; --ground: #fff; --card: #f5f7fa;
  --line: #d8dee6; --c0: #1f6fb2; --c1: #c8452f; --c2: #2c8a57; --c3: #b07a14; --c4: #7b4fb3;
  --c5: #3d8f9c; --good: #2c8a57; --bad: #c8452f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9f0; --dim: #97a3b3; --ground: #14181e;
  --card: #1c222b; --line: #343d4a; --c0: #6bb0ea; --c1: #f0836f; --c2: #6cc796; --c3: #e0b355;
  --c4: #b596e6; --c5: #7fcbd8; --good: #6cc796; --bad: #f0836f; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground);
  max-width: 76rem; margin: 0 auto; padding: 1.5rem 1.2rem 4rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2.4rem 0 .6rem; }
p { margin: .4rem 0; max-width: 52rem; } .dim { color: var(--dim); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .6rem;
  margin: 1.2rem 0; padding: 0; }
.cards > div { background: var(--card); border-radius: .5rem; padding: .6rem .8rem; }
.cards dt { color: var(--dim); font-size: .8rem; }
.cards dd { margin: 0; font-size: 1.15rem; overflow-wrap: anywhere; }
.alarm, .verdict { border-left: .3rem solid var(--bad); background: var(--card);
  padding: .6rem .9rem; margin: .8rem 0; border-radius: 0 .4rem .4rem 0; }
.verdict { border-color: var(--dim); } .verdict.safe { border-color: var(--good); }
.verdict.unsafe { border-color: var(--bad); } .alarm b { color: var(--bad); }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(20rem, 1fr)); gap: 1rem; }
figure { margin: 0; background: var(--card); border-radius: .5rem; padding: .7rem .8rem; }
figcaption { font-weight: 600; font-size: .92rem; margin-bottom: .3rem; }
svg { width: 100%; height: auto; display: block; }
svg text { font-size: 10.5px; fill: var(--dim); }
.grid { stroke: var(--line); stroke-width: 1; } .line { fill: none; stroke-width: 2;
  stroke-linejoin: round; } .zero { stroke: var(--dim); stroke-width: 1; }
.margin { stroke: var(--c3); stroke-width: 1.3; stroke-dasharray: 5 4; }
.point { opacity: .75; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin: .3rem 0 0;
  padding: 0; font-size: .82rem; color: var(--dim); }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 50%; margin-right: .35em; }
pre { background: var(--card); padding: .8rem 1rem; overflow-x: auto; border-radius: .5rem;
  line-height: 1.4; font-size: .88rem; }
summary { cursor: pointer; color: var(--dim); margin: .6rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; overflow-y: hidden; }
th, td { text-align: left; padding: .22rem .9rem .22rem 0; border-bottom: 1px solid var(--line);
  vertical-align: middle; } th { font-weight: 600; } td.n, th.n { text-align: right; }
.formula { overflow-x: auto; overflow-y: hidden; padding: .2rem 0; } math { font-size: 1.1em; }
math { font-family: "STIX Two Math", "Cambria Math", "Latin Modern Math", math; }
.offender { background: var(--card); border-radius: .5rem; padding: .7rem .9rem; margin: .8rem 0; }
.offender h3 { font-size: .95rem; margin: 0 0 .4rem; font-weight: 600; }
.offender td { border: 0; padding: .1rem .45rem; text-align: center; white-space: nowrap; }
.offender th { border: 0; padding: .1rem .7rem .1rem 0; color: var(--dim); font-weight: 400; }
.wrong { color: var(--bad); font-weight: 700; } .right { color: var(--good); }
.pixels { image-rendering: pixelated; background: #000; min-height: 40px; border-radius: 2px;
  vertical-align: middle; }
@media print { body { max-width: none; } figure, .offender { break-inside: avoid; } }
""" + "".join(
    f".c{k}.line {{ stroke: var(--c{k}); }} .c{k}.dot, .c{k}.bar, .c{k}.point "
    f"{{ fill: var(--c{k}); }} .k{k} {{ background: var(--c{k}); }}\n"
    for k in range(6)
)
