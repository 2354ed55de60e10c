#!/usr/bin/env node
import { corio } from "./corio.js";

void corio(process.argv.slice(2));
