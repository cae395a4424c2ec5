"""The engine of Breakeven: when does making a model cheaper pay off?"""

from breakeven import environment, moved

environment.prepare()
moved.install()
