"""Sales channels: web shops and marketplaces whose orders come in and to whom levels go out. One file a kind."""
