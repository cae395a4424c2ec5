"""The dashboard: `breakeven dashboard`, or `streamlit run dashboard/app.py` from the root of the repository.

It reads the folder `$BREAKEVEN_RESULTS` (default: `results`). On request it includes the published rows in
`results/reference`.
"""

from __future__ import annotations

import streamlit as st
from views import shared

st.set_page_config(page_title="Breakeven", page_icon="⚖️", layout="wide")
PAGES = [
    st.Page("views/leaderboard.py", title="Leaderboard", icon=":material/leaderboard:", default=True),
    st.Page("views/overall.py", title="Overall", icon=":material/stairs:"),
    st.Page("views/pareto.py", title="Pareto front", icon=":material/scatter_plot:"),
    st.Page("views/curves.py", title="Curves", icon=":material/show_chart:"),
    st.Page("views/scaling.py", title="Scaling", icon=":material/hub:"),
    st.Page("views/calculator.py", title="Break-even", icon=":material/balance:"),
    st.Page("views/methods.py", title="Method", icon=":material/construction:", url_path="method"),
    st.Page("views/tasks.py", title="Task", icon=":material/dataset:", url_path="task"),
    st.Page("views/row.py", title="Row", icon=":material/fact_check:"),
    st.Page("views/protocol.py", title="Protocol", icon=":material/menu_book:"),
]
page = st.navigation(PAGES)
shared.choose_sources()
page.run()
