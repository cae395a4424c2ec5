"""The engine of Breakeven: when does making a model cheaper pay off?"""
